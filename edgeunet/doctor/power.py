"""Doctor checks of power mode, clocks, temperature and throttling."""

from __future__ import annotations

import math
import os
import re

from edgeunet.board.sensors.sysfs import sensors
from edgeunet.board.sensors.tegrastats import Tegrastats
from edgeunet.board.settings import power_mode_names
from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check

HOT_C = 85.0  # an Orin slows itself down at 99 °C (tj)
_TEGRASTATS = "usr/bin/tegrastats"
_INTERVAL_S, _TIMEOUT_S = 0.1, 2.0
_WATTS = re.compile(r"(?:MODE_)?([0-9]{1,9})W")
_CLOCKS = (("CPU", "cpu0_mhz", "cpu_clocks"), ("GPU", "gpu_mhz", "gpu_clocks"), ("memory", "emc_mhz", ""))


def check_power(host: Host) -> list[Check]:
    """What the system reports: a PC may report little, a virtual machine nothing; a container has no nvpmodel."""
    read = {sensor.name: sensor.read_or_nan() for sensor in sensors(host.root, os.getpid())}
    found = {name: value for name, value in read.items() if not math.isnan(value)}
    lines = [_clocks(host, found), *_temperature(found), *_throttling(found)]
    return [_mode(host), *lines, _rails(found), _tegrastats(host)] if host.jetson and not host.container else lines


def _mode(host: Host) -> Check:
    mode = host.facts.get("power_mode", "")
    if not mode or mode.startswith("number"):
        said = f"{mode}, which /etc/nvpmodel.conf does not name" if mode else "unknown: nvpmodel has not set a mode"
        remedy = (
            "sudo nvpmodel -q says why; sudo systemctl restart nvpmodel, or "
            "sudo apt install --reinstall nvidia-l4t-nvpmodel"
        )
        return Check("warning", "power mode", said, remedy)
    budgets = {name: int(watts[1]) for name in power_mode_names(host.root).values() if (watts := _WATTS.match(name))}
    if len(budgets) > 1 and budgets.get(mode) == min(budgets.values()):
        remedy = "`nvpmodel -p --verbose` lists the modes, sudo nvpmodel -m NUMBER changes it; some need a restart"
        return Check("warning", "power mode", f"{mode}, the slowest of this board", remedy)
    return Check("ok", "power mode", mode)


def _clocks(host: Host, found: dict[str, float]) -> Check:
    limits = {name: f"of {host.facts[key]}" for name, _, key in _CLOCKS if key in host.facts}
    said = [f"{name} {found[now]:.0f} {limits.get(name, 'MHz')}" for name, now, _ in _CLOCKS if now in found]
    if host.jetson and "gpu_mhz" in found and "gpu_busy_percent" not in found:
        said.append("the GPU's load is not in /sys")  # as on Thor
    governor = host.facts.get("governor", "")
    if governor:
        said.append(f"governor {governor}")
    if host.jetson and governor == "powersave":
        remedy = "sudo systemctl restart nvpmodel, or sudo jetson_clocks"
        return Check("warning", "clocks", ", ".join(said), remedy)
    return Check("ok", "clocks", ", ".join(said) or "not reported by this system")


def _temperature(found: dict[str, float]) -> list[Check]:
    zones = {name.removesuffix("_c"): degrees for name, degrees in found.items() if name.endswith("_c")}
    if not zones:
        return []
    hottest = max(zones, key=lambda zone: zones[zone])
    said = f"{zones[hottest]:.0f} °C ({hottest}), the hottest of {len(zones)}"
    if zones[hottest] >= HOT_C:
        return [Check("warning", "temperature", said, "improve the cooling: check the fan and the heat sink")]
    return [Check("ok", "temperature", said)]


def _throttling(found: dict[str, float]) -> list[Check]:
    if "throttled" not in found:
        return []
    if found["throttled"]:
        remedy = "cool the board, use a stronger power supply, or set a lower power mode"
        return [Check("warning", "throttling", "clocks are lowered now", remedy)]
    return [Check("ok", "throttling", "none now")]


def _rails(found: dict[str, float]) -> Check:
    rails = [f"{name.removesuffix('_mw')} {power:.0f} mW" for name, power in found.items() if name.endswith("_mw")]
    if rails:
        return Check("ok", "power", ", ".join(rails))
    remedy = "without it records have no energy, unless tegrastats reports the power"
    return Check("warning", "power", "no INA3221 in /sys/class/hwmon", remedy)


def _tegrastats(host: Host) -> Check:
    if not (host.root / _TEGRASTATS).exists():
        remedy = "sudo apt install --reinstall nvidia-l4t-tools; without it records have only the sensors in /sys"
        return Check("warning", "tegrastats", f"no /{_TEGRASTATS}", remedy)
    program = Tegrastats(host.root, _INTERVAL_S)
    try:
        values = program.first(_TIMEOUT_S)
    finally:
        program.close()
    if not values:
        remedy = "run tegrastats by hand to see why; without it records have only the sensors in /sys"
        return Check("warning", "tegrastats", "does not run, or prints lines that this version cannot parse", remedy)
    return Check("ok", "tegrastats", f"{len(values)} values per line")
