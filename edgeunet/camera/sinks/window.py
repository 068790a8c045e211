"""The drawn frames in windows on the desktop, one for each source."""

from __future__ import annotations

import os
import re
import sys
import threading

import cv2

from edgeunet.camera.frame import Shot
from edgeunet.errors import MissingDependencyError, OutputError
from edgeunet.imaging.letterbox import UInt8

TITLE = "edgeunet"
ESCAPE = 27


class Window:
    """A sink that shows each source's newest frame. Any thread writes; only the main thread may refresh."""

    def __init__(self) -> None:
        """Raises MissingDependencyError if this OpenCV has no windows, OutputError if there is no screen."""
        if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
            raise MissingDependencyError(
                "OpenCV's window module",
                "--show",
                "pip install --force-reinstall opencv-python (not -headless), or use --record",
            )
        # Without a screen Qt would end the whole process.
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("--show found no screen (DISPLAY is not set): run it on a desktop, or use --record")
        self._newest: dict[str, UInt8] = {}  # by source: not shown yet
        self._changed = threading.Condition()
        self._titles: list[str] = []

    def write(self, shot: Shot) -> None:
        """Show this frame at the next refresh, unless a newer one of its source comes first."""
        with self._changed:
            self._newest[shot.source] = shot.overlay
            self._changed.notify()

    def refresh(self, timeout_s: float) -> bool:
        """Show the newest frames, waiting for one at most `timeout_s`; False once the user closed a window."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest, timeout_s)
            newest, self._newest = self._newest, {}
        for source, pixels in newest.items():
            title = f"{TITLE}: {source}"
            cv2.imshow(title, pixels)
            if title not in self._titles:
                self._titles.append(title)
        if not self._titles:
            return True
        if cv2.waitKey(1) & 0xFF in (ESCAPE, ord("q")):
            return False
        return all(cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1 for title in self._titles)

    def close(self) -> None:
        """Close the windows."""
        for title in self._titles:
            cv2.destroyWindow(title)
