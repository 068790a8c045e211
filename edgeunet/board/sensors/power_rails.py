"""Which power rails add up to the total power: a rail and another rail inside it must not both be counted."""

from __future__ import annotations

import re
from collections.abc import Iterable

TOTALS = ("VIN_mw", "VDD_IN_mw")
"""Each of these alone measures the total power. VIN: the input of Thor's carrier board. VDD_IN: the input of an Orin NX
or Orin Nano module, which contains VDD_CPU_GPU_CV and VDD_SOC."""
SUMS = (
    ("VDD_GPU_SOC_mw", "VDD_CPU_CV_mw", "VIN_SYS_5V0_mw"),  # AGX Orin; VIN_SYS_5V0 contains VDDQ_VDD2_1V8AO
    ("VDD_GPU_mw", "VDD_CPU_SOC_MSS_mw", "VIN_SYS_5V0_mw"),  # Thor, where the carrier's VIN has no driver
)
"""Separate rails that add up to the power of a module: Jetson Linux Developer Guide, "Platform Power and
Performance"."""


def whole(names: Iterable[str]) -> tuple[str, ...]:
    """The measured rails whose sum is the total power.

    names: of the telemetry, "VDD_IN_mw" and so on. Empty if it is unknown which rails contain others.
    """
    measured = set(names)
    for total in TOTALS:
        if total in measured:
            return (total,)
    for rails in SUMS:
        if measured.issuperset(rails):
            return rails
    # RAPL: a package contains its core and uncore, but not the memory's dram; psys contains all, where it is wired.
    rapl = sorted(name for name in measured if name.endswith("_mw") and name.startswith(("package_", "dram")))
    cards = sorted(name for name in measured if re.fullmatch(r"gpu(_\d+)?_mw", name))  # NVML's, outside of the package
    return (*rapl, *cards) if rapl else ()
