"""The drawn frames in a window of the desktop."""

from __future__ import annotations

import os
import re
import sys

import cv2

from edgeunet.camera.channel import Channel
from edgeunet.errors import MissingPartError, OutputError
from edgeunet.frames import UInt8

TITLE = "edgeunet"
ESCAPE = 27


class Window:
    """A sink that shows the newest frame. Any thread writes; the main thread refreshes: a desktop asks for that."""

    def __init__(self) -> None:
        """Raises MissingPartError if this OpenCV has no windows, OutputError if there is no screen."""
        if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
            raise MissingPartError(
                "OpenCV's window module",
                "--show",
                "pip install --force-reinstall opencv-python (not -headless), or use --record",
            )
        # Without a screen Qt would end the whole process.
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("--show found no screen (DISPLAY is not set): run it on a desktop, or use --record")
        self._frames: Channel[UInt8] = Channel(newest=True)
        self._opened = False

    def write(self, pixels: UInt8, time_s: float) -> None:
        """Show this frame at the next refresh, unless a newer one comes first."""
        self._frames.put(pixels)

    def refresh(self, timeout_s: float) -> bool:
        """Show the newest frame, waiting for it at most `timeout_s`; False once the user closed the window."""
        pixels = self._frames.get(timeout_s)
        if pixels is not None:
            cv2.imshow(TITLE, pixels)
            self._opened = True
        if not self._opened:
            return True
        key = cv2.waitKey(1) & 0xFF
        return key not in (ESCAPE, ord("q")) and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Close the window."""
        if self._opened:
            cv2.destroyWindow(TITLE)
