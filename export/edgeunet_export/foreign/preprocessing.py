"""What another tool's network is fed: how a frame of a camera becomes its input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import UInt8

Order = Literal["rgb", "bgr", "grey"]
Float32 = NDArray[np.float32]
_LOWEST_STD_OF_255 = 2.0  # smaller ones are of frames from 0 to 1


@dataclass(frozen=True)
class Preprocessing:
    """(value - mean) / std of each channel.

    order: of the network's colour channels; "grey" for a network of one. A fourth channel stays the fourth.
    mean, std: one value for each channel in the network's own order, in the 0–255 of a frame.
    """

    order: Order
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or (len(self.mean) == 1) != (self.order == "grey"):
            raise UsageError(
                f"mean and std have one value for each channel, got {len(self.mean)} and {len(self.std)} for "
                f"{self.order}: give as many as the network has channels (--mean, --std)"
            )
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            raise UsageError(f"--mean and --std are numbers, std above 0, got {self.mean} and {self.std}")

    @property
    def channels(self) -> int:
        return len(self.mean)

    @property
    def indices(self) -> tuple[int, ...]:
        """For each channel of the network the channel of a frame (blue, green, red, …) that it is."""
        return {"grey": (0,), "bgr": (0, 1, 2, 3), "rgb": (2, 1, 0, 3)}[self.order][: self.channels]

    def of_frame(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """One value for each channel of the network → the same in the order of a frame (blue, green, red, …)."""
        return tuple(values[index] for index in self.indices)  # swapping two channels is its own inverse

    def applied(self, frames: UInt8) -> Float32:
        """uint8 [N, H, W, channels] BGR → float32 [N, channels, H, W]: the same as the nodes of wrapped.py compute."""
        planes = frames.astype(np.float32).transpose(0, 3, 1, 2)[:, list(self.indices)]
        mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (self.mean, self.std))
        return np.ascontiguousarray((planes - mean) / std)

    def __str__(self) -> str:
        order = self.order.upper() if self.order != "grey" else "grey"
        return f"{order}, mean {_text(self.mean)} and std {_text(self.std)} of 0 to 255"


def scale_of_range(low: float, high: float, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) for a network that takes `low` for black and `high` for white."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--range is LOW:HIGH with LOW below HIGH, such as 0:1, got {low:g}:{high:g}")
    std = 255 / (high - low)
    return (-low * std,) * channels, (std,) * channels


def scale_of_values(
    mean: tuple[float, ...], std: tuple[float, ...], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) in 0–255 from what people write: of frames from 0 to 1, as in torchvision, or of 0 to 255.

    One value is for all channels. A std below 2 is of frames from 0 to 1, unless a mean is above 2. Raises UsageError
    for another number of values than channels, and for a mean of frames from 0 to 1 with a std of 0 to 255, or the
    other way round.
    """
    if not {len(mean), len(std)} <= {1, channels}:
        raise UsageError(
            f"the network has {channels} channel(s), and --mean has {len(mean)} values, --std {len(std)}: give one "
            "value for each channel, or one for all"
        )
    largest = max(map(abs, mean))
    if 0 < largest <= 1 < _LOWEST_STD_OF_255 <= min(std) or max(std) < 1 < _LOWEST_STD_OF_255 < largest:
        raise UsageError(
            f"--mean {_text(mean)} and --std {_text(std)} do not fit together: one is of frames from 0 to 1, the other "
            "of 0 to 255; give both of the same"
        )
    unit = 255.0 if max(std) < _LOWEST_STD_OF_255 and largest <= _LOWEST_STD_OF_255 else 1.0
    scaled = [tuple(unit * v for v in (values * channels if len(values) == 1 else values)) for values in (mean, std)]
    return scaled[0], scaled[1]


def _text(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.6g}" for value in values)
