"""Colours of classes: from text, and for classes whose source has none."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Iterator
from itertools import count

from edgeunet.data.classes import Color


def colors_beside(taken: Collection[Color]) -> Iterator[Color]:
    """Colours that are far from each other and are not those taken, without end; black is the first."""
    for index in count():
        if (color := distinct_color(index)) not in taken:
            yield color


def distinct_color(index: int) -> Color:
    """Colours that are far from each other: black, then hues by the golden ratio."""
    if index == 0:
        return (0, 0, 0)
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618 % 1, 0.5 + index % 3 / 4, 1.0 - index % 4 / 8)
    return round(red * 255), round(green * 255), round(blue * 255)


def color_from_hex(text: str) -> Color | None:
    """#rrggbb as (red, green, blue); None for anything else."""
    try:
        value = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return (value[0], value[1], value[2]) if len(value) == 3 else None
