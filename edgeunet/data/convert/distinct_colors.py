"""Colours for classes whose source has none."""

from __future__ import annotations

import colorsys

from edgeunet.data.classes import Color


def distinct_color(index: int) -> Color:
    """Colours that are far from each other: black, then hues by the golden ratio."""
    if index == 0:
        return (0, 0, 0)
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618 % 1, 0.5 + index % 3 / 4, 1.0 - index % 4 / 8)
    return round(red * 255), round(green * 255), round(blue * 255)
