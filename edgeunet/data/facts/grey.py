"""A frame in grey, whatever its channels and depth, for what is counted and compared."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8


def grey_of(frame: NDArray[Any]) -> UInt8:
    """uint8 or uint16 [h, w, channels] → uint8 [h, w]; of more than one channel, the first three are BGR.

    16 bits are stretched from the frame's darkest pixel to its brightest.
    """
    grey: NDArray[Any] = frame[..., 0]
    if frame.shape[2] > 1:
        grey = np.asarray(cv2.cvtColor(frame[..., :3], cv2.COLOR_BGR2GRAY))
    if grey.dtype == np.uint8:
        return np.asarray(grey, np.uint8)
    low, high = int(grey.min()), int(grey.max())
    stretched = (grey.astype(np.float32) - low) * (255 / max(1, high - low))
    return stretched.astype(np.uint8)
