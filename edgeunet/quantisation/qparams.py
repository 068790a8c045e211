"""The numbers that a quantised tensor can have, from its span."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeunet.quantisation.calibration import scale
from edgeunet.quantisation.ranges_file import Span
from edgeunet.quantisation.target import Dialect

STEPS = 255  # from the least to the largest uint8


class Grid(NamedTuple):
    """(q - zero_point) * step, with q of the zero point's type."""

    step: NDArray[np.float32]
    zero_point: NDArray[Any]


def grid_of(span: Span, dialect: Dialect, scale_type: type[np.floating[Any]] = np.float32) -> Grid:
    """The grid of an activation: symmetric int8, or uint8 with the zero point that the dialect's span asks for."""
    low, high = span
    if not dialect.unsigned:
        return Grid(rounded_up(np.array(scale(max(-low, high))), scale_type), np.array(0, np.int8))
    step = rounded_up(np.array((high - low) / STEPS if high > low else 1.0), scale_type)
    return Grid(step, np.array(np.rint(-low / step), np.uint8))


def rounded_up(exact: NDArray[Any], scale_type: type[np.floating[Any]] = np.float32) -> NDArray[np.float32]:
    """Steps as the scale type holds them, in float32; rounded up: nothing is clipped, none becomes zero."""
    held = exact.astype(scale_type)
    held = np.where(held < exact, np.nextafter(held, scale_type(np.inf)), held)
    return np.asarray(held, dtype=np.float32)
