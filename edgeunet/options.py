"""Options that several commands have, and numbers with the range that each may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

THREADS = 1024
"""More than any machine has for one model; each costs memory."""
SECONDS = 31_536_000.0
"""A year: a longer time is a typing error."""
FRAMES = 10**9
SEED = 2**32 - 1  # the largest that NumPy takes

Threads = Annotated[
    int | None, typer.Option(min=1, max=THREADS, help="CPU threads for one frame; all physical cores if not given.")
]


def number(low: float, high: float, *, above: bool = False) -> Callable[[str], float]:
    """A parser for typer.Option(parser=...): a finite number from `low` on (or above it) to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not a number.") from None
        if not (low < value if above else low <= value) or not value <= high:
            least = f"above {low:g} and at most" if above else f"from {low:g} to"
            raise typer.BadParameter(f"{text!r} is not {least} {high:,.0f}.")
        return value

    parse.__name__ = "number"  # what the help shows
    return parse
