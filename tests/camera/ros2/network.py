"""ROS 2's topics for tests: over loopback with Cyclone DDS, or within the process with a fake of rclpy."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
import pytest

from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2.messages import Image
from edgeunet.camera.ros2.transport import Publication, Subscription
from edgeunet.imaging.pixels import Pixels

NO_WHEEL = "cyclonedds is not installed: PyPI has wheels of it for x86-64 only"
needs_cyclone = pytest.mark.skipif(find_spec("cyclonedds") is None, reason=NO_WHEEL)
# Loopback has no multicast: then nodes are looked for at their ports. The domain is another one for each process.
LOOPBACK: Mapping[str, str] = {
    "ROS_DOMAIN_ID": str(1 + os.getpid() % 200),
    "ROS_LOCALHOST_ONLY": "1",
}


def new_topic(last: str = "image_raw") -> str:
    """The name of a topic that no other test uses."""
    return f"/test_{uuid.uuid4().hex}/{last}"


def image_of(pixels: Pixels, encoding: str = "bgr8", *, stamp_ns: int | None = None, pad: int = 0) -> Image:
    """The message of [h, w, channels]; stamped now if not said otherwise. pad: bytes after each row."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
    padded = np.concatenate([rows, np.full((height, pad), 77, np.uint8)], axis=1)
    header = FrameHeader(time.time_ns() if stamp_ns is None else stamp_ns, "front")
    return Image(header, height, width, encoding, 0, padded.shape[1], memoryview(padded.tobytes()))


def sent(publication: Publication, subscription: Subscription, message: bytes, timeout_s: float = 10) -> bytes:
    """Send a message until it has arrived: two ends need a moment to find each other."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        publication.publish(message)
        if (found := subscription.take(0.1)) is not None:
            return found
    raise AssertionError("nothing arrived")


def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    """Wait for it."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
