"""Numbers that a user gives: their ranges, and the one error for values outside."""

from __future__ import annotations

import re

from edgeunet.errors import UsageError

THREADS = 1024
"""More than any machine uses for one model; each costs memory."""
SECONDS = 31_536_000.0
"""A year: a longer time is a typing error."""
MAX_MS = 1e9
"""Eleven days, for the time of one frame: more is not a latency, and sums of less stay finite."""
SIDE = 16_384
"""Pixels of a picture's height or width: more is a typing error, and would be allocated first."""
TILES = 64
"""Rows or columns that a frame is cut into: with more, a tile of an ordinary frame has a few pixels."""
FRAMES = 10**9
MOST_BATCH = 4096
"""Frames of one batch."""
SEED = 2**32 - 1
"""The largest that NumPy takes."""


def require_in(option: str, value: float | None, low: float, high: float, *, above: bool = False) -> None:
    """Raise UsageError unless a number, if given, is from `low` (above: more than `low`) to `high`; NaN never is."""
    if value is not None and not ((low < value if above else low <= value) and value <= high):
        least = f"above {low:g} and at most" if above else f"from {low:g} to"
        raise UsageError(f"{option} is {least} {high:,.10g}, got {str(value)[:40]}")


def milliseconds_from_text(option: str, text: str) -> float:
    """ "10ms" → 10.0, "0.5s" → 500.0; raises UsageError for anything else, also for a number without a unit."""
    found = re.fullmatch(r"([0-9]{1,9}(?:[.][0-9]{0,9})?) ?(ms|s)", text.strip())
    if found is None:
        raise UsageError(f"{option} is a time such as 10ms or 0.05s, got {text[:40]!r}")
    return float(found[1]) * (1000 if found[2] == "s" else 1)


def size_from_text(text: str) -> tuple[int, int]:
    """ "256x320" → (256, 320), height and width in pixels; raises UsageError for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})[xX×]([0-9]{1,5})", text.strip())
    if found is None:
        raise UsageError(f"a size (--size) is HEIGHTxWIDTH such as 256x320, got {text[:40]!r}")
    size = int(found[1]), int(found[2])
    require_size(size)
    return size


def tiles_from_text(text: str) -> tuple[int, int]:
    """ "2x3" → (2, 3), rows and columns of tiles; raises UsageError for anything else."""
    found = re.fullmatch(r"([0-9]{1,4})[xX×]([0-9]{1,4})", text.strip())
    if found is None:
        raise UsageError(f"tiles (--tiles) are ROWSxCOLUMNS such as 2x3, got {text[:40]!r}")
    tiles = int(found[1]), int(found[2])
    require_tiles(tiles)
    return tiles


def require_tiles(tiles: tuple[int, int]) -> None:
    """Raise UsageError for (rows, columns) of tiles that are out of range."""
    if not all(1 <= count <= TILES for count in tiles):
        raise UsageError(f"tiles (--tiles) are 1 to {TILES} rows and columns, got {tiles[0]}x{tiles[1]}")


def require_size(size: tuple[int, int]) -> None:
    """Raise UsageError for an input of (height, width) pixels that is out of range."""
    if not all(1 <= side <= SIDE for side in size):
        raise UsageError(f"an input's size (--size) is 1 to {SIDE} pixels in height and width, got {size[0]}x{size[1]}")


SHORTEST_MS = 1e-6  # a nanosecond
LARGEST_SIDE = 4096  # pixels of an input that is swept or imported: a network of more takes gigabytes to export


def require_seconds(option: str, value: float | None, *, least: float = 0.001) -> None:
    """As require_in(), for how long something lasts."""
    require_in(option, value, least, SECONDS)


def require_duration(option: str, value: float | None) -> None:
    """As require_in(), for a time in ms that one frame may take."""
    require_in(option, value, SHORTEST_MS, MAX_MS)


def require_seed(value: int) -> None:
    require_in("--seed", value, 0, SEED)


def require_threads(values: tuple[int, ...]) -> None:
    for value in values:
        require_in("--threads", value, 1, THREADS)


def require_count(option: str, value: int | None, most: int = FRAMES) -> None:
    """As require_in(), for a number of things, at least one."""
    require_in(option, value, 1, most)


def require_sizes(sizes: tuple[tuple[int, int], ...]) -> None:
    """Raise UsageError unless each (height, width) can be exported."""
    for side in (side for size in sizes for side in size):
        require_in("a side of --sizes", side, 1, LARGEST_SIDE)


def whole_numbers(option: str, text: str | None) -> tuple[int, ...]:
    """ "1,2" → (1, 2); () if nothing is given. Raises UsageError for anything else."""
    words = text.split(",") if text else []
    if wrong := [word for word in words if not re.fullmatch(r"[+-]?[0-9]{1,18}", word.strip())]:
        raise UsageError(f"{option} is a list of whole numbers such as 1,2, got {wrong[0][:40]!r}")
    return tuple(map(int, words))


def numbers(option: str, text: str | None, separator: str = ",") -> tuple[float, ...] | None:
    """ "0.5,0.25" → (0.5, 0.25); None if nothing is given. Raises UsageError for anything else."""
    if not text:
        return None
    try:
        return tuple(float(word) for word in text.split(separator))
    except ValueError as error:
        raise UsageError(f"{option} is numbers with {separator!r} between them, got {text[:40]!r}") from error
