"""The doctor: the machine line by line, ok, warning or wrong with the remedy.

Cameras are looked at by edgeunet/doctor/cameras.py, model files by edgeunet/doctor/models.py.
"""

from __future__ import annotations

from pathlib import Path

from edgeunet.doctor.driver import driver_findings
from edgeunet.doctor.host import Host
from edgeunet.doctor.packages import package_findings
from edgeunet.doctor.permissions import permission_findings
from edgeunet.doctor.power import power_findings
from edgeunet.doctor.release import python_finding, release_findings
from edgeunet.doctor.resources import resource_findings
from edgeunet.utils.diagnosis import Finding

__all__ = ["Finding", "Host", "examine"]


def examine(host: Host | None = None) -> list[Finding]:
    """Look at the whole machine, this one if not given; never raises for what it finds."""
    host = host or Host()
    return [
        *release_findings(host),
        python_finding(),
        *resource_findings(host, Path.cwd()),
        *driver_findings(host),
        *package_findings(host),
        *permission_findings(host),
        *power_findings(host),
    ]
