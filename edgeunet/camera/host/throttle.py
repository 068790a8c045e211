"""A thread next to the loop that checks whether heat or current lowers the board's clocks."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgeunet.board.machine import ROOT
from edgeunet.board.sensors.sysfs import sensors
from edgeunet.camera.polling import Poller

EVERY_S = 1.0


class ThrottleWatch(Poller):
    """Calls `throttled`, in a thread of its own, whenever the board throttles. Use it in a `with`.

    On a machine that does not report throttling it does nothing. A sensor that does not answer is asked again later.
    """

    def __init__(self, throttled: Callable[[], None], *, root: Path = ROOT, every_s: float = EVERY_S) -> None:
        """root: of the system's files."""
        super().__init__("throttle-watch", every_s)
        self._throttled = throttled
        self._read = next((s.read for s in sensors(root, os.getpid()) if s.name == "throttled"), None)

    def look(self) -> bool:
        """Ask the sensor, if there is one."""
        if self._read is None:
            return False
        with suppress(OSError, ValueError):
            if self._read() > 0:
                self._throttled()
        return True
