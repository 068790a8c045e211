"""The pixels of an image message: ROS 2's encodings → what a camera of this program gives.

Their names: sensor_msgs/image_encodings.hpp. Colours of YUV as OpenCV and cv_bridge have them: BT.601, 16 to 235.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edgeunet.camera.ros2.messages import Image
from edgeunet.errors import FrameError
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import PixelFormat
from edgeunet.utils.limits import SIDE


class _Encoding(NamedTuple):
    """channels: of a pixel as sent, for NV12 of a row. to_bgr, to_bgra: OpenCV's codes, None if it is so already."""

    channels: int
    to_bgr: int | None = None
    to_bgra: int | None = None
    deep: bool = False
    planes: bool = False  # half as many rows again follow, with the colours


_UYVY = _Encoding(2, cv2.COLOR_YUV2BGR_UYVY)
_YUYV = _Encoding(2, cv2.COLOR_YUV2BGR_YUYV)
_GREY, _BGR, _BGRA, _DEEP = _Encoding(1), _Encoding(3), _Encoding(4, cv2.COLOR_BGRA2BGR), _Encoding(1, deep=True)
ENCODINGS = {
    "bgr8": _BGR,
    "8UC3": _BGR,
    "rgb8": _Encoding(3, cv2.COLOR_RGB2BGR),
    "bgra8": _BGRA,
    "8UC4": _BGRA,
    "rgba8": _Encoding(4, cv2.COLOR_RGBA2BGR, cv2.COLOR_RGBA2BGRA),
    "mono8": _GREY,
    "8UC1": _GREY,
    "mono16": _DEEP,
    "16UC1": _DEEP,
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": _Encoding(1, cv2.COLOR_YUV2BGR_NV12, planes=True),
    "nv21": _Encoding(1, cv2.COLOR_YUV2BGR_NV21, planes=True),
}


def pixels_of(image: Image, wanted: PixelFormat) -> Pixels | None:
    """uint8 [h, w, 3] BGR, or as it is sent: [h, w, 1] of uint8 or uint16, [h, w, 4] BGRA if four channels are wanted.

    None if the message contradicts itself. What is BGR or grey without padding is not copied, and cannot be written to.
    Raises FrameError, with the remedy, for an encoding that cannot be read.
    """
    encoding = ENCODINGS.get(image.encoding)
    if encoding is None:
        remedy = "image_proc's debayer_node makes bgr8 of it" if image.encoding.startswith("bayer") else "publish bgr8"
        raise FrameError(
            f"its images are {image.encoding[:40] or 'of no encoding'!r}, which is not read: {remedy}, or one of "
            f"{', '.join(ENCODINGS)}"
        )
    rows = _rows(image, encoding)
    if rows is None:
        return None
    code = encoding.to_bgra if wanted.channels == 4 and encoding.channels == 4 else encoding.to_bgr
    if wanted.channels == 4 and encoding.channels == 4 and code is None:
        return rows
    return rows if code is None else np.asarray(cv2.cvtColor(rows, code))


def _rows(image: Image, encoding: _Encoding) -> Pixels | None:
    """[rows, width, channels] as sent, without what pads each row; None if they are not all there."""
    bytes_each = 2 if encoding.deep else 1
    height, width, whole = image.height, image.width * encoding.channels * bytes_each, image.height
    if not (1 <= height <= SIDE and 1 <= image.width <= SIDE) or image.step < width:
        return None
    if encoding.to_bgr is not None and encoding.channels == 2 and image.width % 2:
        return None
    if encoding.planes:
        if height % 2 or image.width % 2:
            return None
        whole = height * 3 // 2
    if len(image.data) < image.step * (whole - 1) + width:
        return None
    strided = np.ndarray((whole, width), np.uint8, image.data, strides=(image.step, 1))
    pixels: Pixels = np.ascontiguousarray(strided)
    if encoding.deep:
        pixels = pixels.view(">u2" if image.bigendian else "<u2").astype(np.uint16, copy=False)
    return pixels.reshape(whole, image.width, encoding.channels)
