"""The letterbox: a frame at the network's size, and its mask at the frame's size again.

The only preprocessing outside the model file. Dataset, calibration and every session use it, so that the network
sees the same in training and behind the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import FrameError
from edgeunet.imaging.pixels import Levels, Pixels, UInt8, check_frame, levelled
from edgeunet.spec import BGR, ModelSpec, PixelFormat

__all__ = ["PADDING", "Letterbox", "UInt8"]
T = TypeVar("T", bound=np.generic)
PADDING = 114  # grey of the bars, as is usual for detection networks


@dataclass(frozen=True)
class Letterbox:
    """Where a frame of one size lies inside the network's input: the rectangle it is resized to.

    With the fit "stretch" it is the whole input, without bars. pixels, levels: of the frames, see ModelSpec.
    """

    frame_size: tuple[int, int]  # (height, width)
    input_size: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    pixels: PixelFormat = BGR
    levels: Levels = ()

    @classmethod
    def of(cls, frame_size: tuple[int, int], spec: ModelSpec) -> Letterbox:
        """The rectangle for frames of `frame_size` (height, width) in this model."""
        height, width = spec.fitted_size
        kind = spec.pixels, spec.levels
        if spec.fit == "stretch":
            return cls(frame_size, spec.fitted_size, 0, 0, height, width, *kind)
        scale = min(height / frame_size[0], width / frame_size[1])
        rows = min(height, max(1, round(frame_size[0] * scale)))
        columns = min(width, max(1, round(frame_size[1] * scale)))
        return cls(frame_size, spec.fitted_size, (height - rows) // 2, (width - columns) // 2, rows, columns, *kind)

    @property
    def covers(self) -> bool:
        """Whether the frame fills the whole input, without bars."""
        return (self.height, self.width) == self.input_size

    @property
    def shrinks(self) -> bool:
        """Whether the frame shrinks to less than half in a direction: bilinear would skip pixels.

        Not where it grows in the other: OpenCV's area averaging takes only two pixels there, too.
        """
        (height, width), (rows, columns) = self.frame_size, (self.height, self.width)
        return (height > 2 * rows or width > 2 * columns) and height >= rows and width >= columns

    def fit(self, frame: Pixels, out: UInt8 | None = None) -> UInt8:
        """A frame as check_frame() takes it → uint8 [H, W, channels], into `out` if given.

        Bilinear, or area averaging where the frame shrinks to less than half; 16 bits are resized first, then levelled.
        The kernels of runtime/gpu/kernels/fit.cu do the same, within 1 of 255.
        """
        frame = check_frame(frame, self.pixels)
        if frame.shape[:2] != self.frame_size:
            raise FrameError(f"expected a frame of {self.frame_size} pixels, got {frame.shape[:2]}")
        if out is None:
            out = np.empty((*self.input_size, self.pixels.channels), np.uint8)
        if not self.covers:
            out[: self.top] = out[self.top + self.height :] = PADDING
            out[:, : self.left] = out[:, self.left + self.width :] = PADDING
        if self.levels:
            resized = np.empty((self.height, self.width, self.pixels.channels), np.uint16)
            self._resize(frame, resized)
            self.inside(out)[:] = levelled(resized, self.levels)
        else:
            self._resize(frame, self.inside(out))
        return out

    def _resize(self, frame: Pixels, out: Pixels) -> None:
        interpolation = cv2.INTER_AREA if self.shrinks else cv2.INTER_LINEAR
        height, width = self.frame_size
        if self.shrinks and height % (2 * self.height) == width % (2 * self.width) == 0:
            # OpenCV is fast only with halves: 1280×720 to a quarter takes 1.0 ms on one EPYC core, by halves 0.4. Only
            # if every area has whole pairs, and only once, so that rounding twice stays within 1.
            frame = np.asarray(cv2.resize(frame, (width // 2, height // 2), interpolation=interpolation))
        cv2.resize(frame, (self.width, self.height), dst=out, interpolation=interpolation)

    def restore_mask(self, mask: UInt8) -> UInt8:
        """uint8 [H, W] class indices → uint8 [h, w] at the frame's own size, nearest."""
        height, width = self.frame_size
        return np.asarray(
            cv2.resize(self.inside(mask), (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8
        )

    def inside(self, array: NDArray[T]) -> NDArray[T]:
        """The part of [H, W, …] that the frame fills, without the bars: a view [height, width, …]."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]
