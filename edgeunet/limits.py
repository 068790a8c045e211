"""Numbers that a user gives: the range of each, and the one error for what lies outside."""

from __future__ import annotations

from edgeunet.errors import UsageError

THREADS = 1024
"""More than any machine has for one model; each costs memory."""
SECONDS = 31_536_000.0
"""A year: a longer time is a typing error."""
MAX_MS = 1e9
"""Eleven days, for what one frame may take: what is longer was no latency, and sums of less stay finite."""
SIDE = 16_384
"""Pixels of a picture's height or width: more is a typing error, and would be allocated before it shows."""
FRAMES = 10**9
SEED = 2**32 - 1
"""The largest that NumPy takes."""


def require_in(option: str, value: float | None, low: float, high: float, *, above: bool = False) -> None:
    """Raise UsageError unless a number, if one is given, is from `low` (above: or higher) to `high`; NaN never is."""
    if value is not None and not ((low < value if above else low <= value) and value <= high):
        least = f"above {low:g} and at most" if above else f"from {low:g} to"
        raise UsageError(f"{option} is {least} {high:,.10g}, got {str(value)[:40]}")
