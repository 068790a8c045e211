"""Numbers of the command line: each has a range, and an error that names its option."""

from __future__ import annotations

import re

from edgeunet.errors import UsageError
from edgeunet.limits import FRAMES, MAX_MS, SECONDS, SEED, THREADS, require_in

SHORTEST_MS = 1e-6  # a nanosecond
LARGEST_SIDE = 4096  # pixels of an input that is swept: an untrained network of more takes gigabytes to export


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
    """As require_in(), for a number of things of which there is at least one."""
    require_in(option, value, 1, most)


def require_sizes(sizes: tuple[tuple[int, int], ...]) -> None:
    """Raise UsageError unless each (height, width) is one that can be exported on the way."""
    for side in (side for size in sizes for side in size):
        require_in("a side of --sizes", side, 1, LARGEST_SIDE)


def whole_numbers(option: str, text: str | None) -> tuple[int, ...]:
    """ "1,2" → (1, 2); () if nothing is given. Raises UsageError for what is no list of whole numbers."""
    words = text.split(",") if text else []
    if wrong := [word for word in words if not re.fullmatch(r"[+-]?[0-9]{1,18}", word.strip())]:
        raise UsageError(f"{option} is a list of whole numbers such as 1,2, got {wrong[0][:40]!r}")
    return tuple(map(int, words))
