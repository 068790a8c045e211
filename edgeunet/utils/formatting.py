"""How figures are written, in tables of the terminal and on pages."""

from __future__ import annotations

import math
from collections.abc import Sequence


def count(number: int) -> str:
    """1234567 → "1 234 567", which cannot be read as a fraction."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def counted(number: int, noun: str) -> str:
    """1 → "1 frame", 2 → "2 frames"."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def without_labels(stray: int) -> str:
    """Instead of the IoU of a class that no label has: how many pixels were predicted as it."""
    return f"– ({count(stray)} stray)" if stray else "–"


def percentage(share: float | None) -> str:
    """0.6123 → "61.2"; a share of nothing is none."""
    return "–" if share is None or math.isnan(share) else f"{share * 100:.1f}"


def one_line(error: object, most: int = 200) -> str:
    """The message of an error of a library, without line breaks and with at most that many characters."""
    return " ".join(str(error).split())[:most]


def some(values: Sequence[object], most: int) -> str:
    """ "a, b, c, …": the first of many values."""
    return ", ".join(map(str, values[:most])) + (", …" if len(values) > most else "")
