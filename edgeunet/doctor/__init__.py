"""The doctor: checks the machine, each with one line: ok, warning or wrong, with the remedy.

edgeunet/doctor/cameras.py checks cameras, edgeunet/doctor/model_files.py checks model files.
"""

from __future__ import annotations

from pathlib import Path

from edgeunet.doctor.driver import check_driver
from edgeunet.doctor.host import Host
from edgeunet.doctor.packages import check_packages
from edgeunet.doctor.permissions import check_permissions
from edgeunet.doctor.power import check_power
from edgeunet.doctor.release import check_python, check_release
from edgeunet.doctor.resources import check_resources
from edgeunet.utils.check import Check

__all__ = ["Check", "Host", "examine"]


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
