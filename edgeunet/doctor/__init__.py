"""The doctor: checks the machine, each with one line: ok, warning or wrong, with the remedy.

Nothing here imports OpenCV or numpy before it has looked whether they load.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeunet.doctor.cameras import check_cameras
from edgeunet.doctor.driver import check_driver
from edgeunet.doctor.host import Host
from edgeunet.doctor.packages import check_packages
from edgeunet.doctor.permissions import check_permissions
from edgeunet.doctor.power import check_power
from edgeunet.doctor.release import check_python, check_release
from edgeunet.doctor.resources import check_resources
from edgeunet.utils.check import Check

__all__ = ["Check", "Host", "check_cameras", "check_files", "examine"]


def examine(host: Host | None = None) -> list[Check]:
    """Check a machine, this one if not given; problems are checks, not exceptions."""
    host = host or Host()
    return [
        *check_release(host),
        check_python(),
        *check_resources(host, Path.cwd()),
        *check_driver(host),
        *check_packages(host),
        *check_permissions(host),
        *check_power(host),
    ]


def check_files(files: Sequence[Path], found: Sequence[Check]) -> list[Check]:
    """One line for each model file. found: what examine() found; without NumPy and OpenCV no model can be tried."""
    broken = next((check for check in found if check.part in ("NumPy", "OpenCV") and check.state == "wrong"), None)
    if broken:
        said = f"not checked: {broken.part} {broken.found}"
        return [Check("wrong", str(path), said, broken.remedy) for path in files]
    from edgeunet.doctor.model_files import check_models

    return check_models(files)
