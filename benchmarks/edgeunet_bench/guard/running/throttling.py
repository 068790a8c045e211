"""Whether the machine slowed itself down while the arms ran."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgeunet.board.machine import ROOT
from edgeunet.board.sensors.sysfs import sensors


def throttling(root: Path = ROOT) -> Callable[[], bool]:
    """A function that says whether the machine throttled since it was last asked; never, where it does not tell."""
    found = next((sensor for sensor in sensors(root, os.getpid()) if sensor.name == "throttled"), None)

    def throttled() -> bool:
        try:
            return found is not None and found.read() > 0
        except (OSError, ValueError):  # a sensor that went away
            return False

    return throttled
