"""Scale and zero point of a quantised tensor, from its value range."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeunet.quantisation.clipping import scale_of
from edgeunet.quantisation.ranges_file import ValueRange
from edgeunet.quantisation.target import QuantisationTarget

STEPS = 255  # from the smallest to the largest uint8


class QParams(NamedTuple):
    """A quantised value q means (q - zero_point) * scale; q has the zero point's type."""

    scale: NDArray[np.float32]
    zero_point: NDArray[Any]


def qparams_of(
    held: ValueRange, target: QuantisationTarget, scale_type: type[np.floating[Any]] = np.float32
) -> QParams:
    """Those of an activation: symmetric int8, or uint8 with a zero point, as the target wants it.

    scale_type: what the scale, float32 here, can be turned into without a change.
    """
    low, high = held
    if not target.unsigned:
        return QParams(rounded_up(np.array(scale_of(max(-low, high))), scale_type), np.array(0, np.int8))
    scale = rounded_up(np.array((high - low) / STEPS if high > low else 1.0), scale_type)
    return QParams(scale, np.array(np.rint(-low / scale), np.uint8))


def rounded_up(exact: NDArray[Any], scale_type: type[np.floating[Any]] = np.float32) -> NDArray[np.float32]:
    """Scales as the scale type holds them, in float32; rounded up, so that nothing is clipped and none becomes zero."""
    held = exact.astype(scale_type)
    held = np.where(held < exact, np.nextafter(held, scale_type(np.inf)), held)
    return np.asarray(held, dtype=np.float32)
