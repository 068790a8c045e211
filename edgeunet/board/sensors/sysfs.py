"""The sensors that Linux shows as files: clocks, temperatures, throttling, power and load; and NVML's of a PC's GPUs.

A sensor is found once and read often. A read costs three system calls and the work of the file's driver (an INA3221
is asked over I²C, during which the reader sleeps).
"""

from __future__ import annotations

import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from mmap import PAGESIZE
from pathlib import Path

from edgeunet.board.machine import text_of, usable_cpus
from edgeunet.board.sensors import nvml

OFF_BELOW_C = -100.0  # Tegra reports -256 for a zone without power
CPU_CHIPS = ("coretemp", "k10temp", "zenpower")  # of a PC, where thermal zones may not have the CPU
_PAGE_MB = PAGESIZE / 2**20


@dataclass(frozen=True)
class Sensor:
    """One column of the telemetry; its name ends in its unit."""

    name: str
    source: Callable[[], float]

    def read(self) -> float:
        """The value now, finite; raises OSError or ValueError if the system has none."""
        try:
            value = self.source()
        except (ArithmeticError, IndexError) as error:
            raise ValueError(f"{self.name}: garbage ({error})") from error
        if not math.isfinite(value):
            raise ValueError(f"{self.name} is {value}")
        return value

    def read_or_nan(self) -> float:
        """The value now; NaN if the sensor is gone, off, or reports garbage."""
        try:
            return self.read()
        except (OSError, ValueError):
            return math.nan


def sensors(root: Path, pid: int) -> list[Sensor]:
    """All sensors of the system under `root`. pid: the process whose memory is read."""
    found: list[Sensor] = []
    taken: Counter[str] = Counter()
    for group in (_clocks(root), _temperatures(root), _power(root), _state(root, pid), _pci_gpus(root)):
        with suppress(OSError):  # a folder that may not be read
            for quantity, unit, read in group:
                taken[f"{quantity}_{unit}"] += 1
                nth = taken[f"{quantity}_{unit}"]
                name = quantity if nth == 1 else f"{quantity}_{nth}"
                found.append(Sensor(f"{name}_{unit}" if unit else name, read))
    return found


_Found = Iterator[tuple[str, str, Callable[[], float]]]  # quantity, unit, read


def _clocks(root: Path) -> _Found:
    cpufreq = root / "sys/devices/system/cpu/cpufreq"
    for policy in _numbered(cpufreq, "policy"):
        # Not cpuinfo_cur_freq: it asks the hardware, on some boards by counting cycles on the measured CPU.
        yield from _file(f"cpu{policy.name.removeprefix('policy')}", "mhz", policy / "scaling_cur_freq", 1e-3)
    for device in _sorted(root / "sys/class/devfreq"):
        if quantity := devfreq_kind(device.name):
            yield from _file(quantity, "mhz", device / "cur_freq", 1e-6)
        if quantity == "gpu":
            yield from _file("gpu_busy", "percent", device / "device/load", 0.1)
    bpmp = root / "sys/kernel/debug/bpmp/debug/clk/emc/rate"
    if os.access(bpmp, os.R_OK):  # only root's
        yield from _file("emc", "mhz", bpmp, 1e-6)


def devfreq_kind(name: str) -> str:
    """What a devfreq device is: "gpu", another part of the GPU, "emc" (the memory), or "" for the rest."""
    if name in ("gpu", "gpu-gpc-0") or name.endswith((".gpu", ".ga10b", ".gv11b")):  # gpu-gpc-0: Thor
        return "gpu"
    if "gpu" in name:
        return plain(name)
    return "emc" if "emc" in name or "memory-controller" in name or name.endswith("dmc") else ""


def _temperatures(root: Path) -> _Found:
    for zone in _numbered(root / "sys/class/thermal", "thermal_zone"):
        kind = re.sub(r"[-_]therm(al)?$", "", text_of(zone / "type"), flags=re.IGNORECASE).lower()
        if kind:
            yield from _file(plain(kind), "c", zone / "temp", 1e-3, above=OFF_BELOW_C)
    for chip in _numbered(root / "sys/class/hwmon", "hwmon"):
        if text_of(chip / "name") in CPU_CHIPS:
            yield from _file("cpu", "c", chip / "temp1_input", 1e-3, above=OFF_BELOW_C)


def _power(root: Path) -> _Found:
    for chip in _numbered(root / "sys/class/hwmon", "hwmon"):
        name = text_of(chip / "name")
        if not name.startswith("ina"):
            continue
        if (chip / "power1_input").exists():  # INA2xx: one rail, µW
            yield from _file(plain(text_of(chip / "label") or name), "mw", chip / "power1_input", 1e-3)
            continue
        for label in sorted(chip.glob("in*_label")):  # INA3221: three rails, mV and mA
            number, rail = label.name[2:-6], text_of(label)
            current = chip / f"curr{number}_input"
            # NC: not connected. A label without a current is the sum of the shunts' voltages.
            if rail and rail != "NC" and current.exists():
                yield plain(rail), "mw", _product(chip / f"in{number}_input", current)
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):  # AMD's has this name too
        if os.access(zone / "energy_uj", os.R_OK):  # only root's, on most systems
            yield plain(text_of(zone / "name")), "mw", _Rapl(zone)


def _state(root: Path, pid: int) -> _Found:
    thermal = _numbered(root / "sys/class/thermal", "cooling_device")
    states = [device / "cur_state" for device in thermal if slows_down(text_of(device / "type"))]
    hwmon = root / "sys/class/hwmon"
    counters = sorted(hwmon.glob("hwmon*/oc*_event_cnt")) + list(_x86_counters(root))
    if states or counters:
        yield "throttled", "", _Throttled(states, counters)
    stat = root / "proc/stat"
    if stat.exists():
        yield "cpu_busy", "percent", _Busy(stat)
    statm = root / f"proc/{pid}/statm"
    if statm.exists():
        yield "process", "mb", lambda: int(_bytes_of(statm).split()[1]) * _PAGE_MB


def _pci_gpus(root: Path) -> _Found:
    if _sorted(root / "proc/driver/nvidia/gpus"):  # a Jetson's GPU is not there
        yield from nvml.gpus()


def slows_down(cooling_device: str) -> bool:
    """Whether a cooling device above state 0 means that heat holds a clock down; a fan's does not.

    Tegra's alerts have it in their names; the others limit the frequency of a CPU or of a devfreq device. A low clock
    alone is not throttling: a machine that waits for frames or for its GPU lowers its clocks by design.
    """
    return cooling_device.endswith("-throttle-alert") or cooling_device.startswith(
        ("cpufreq-", "thermal-cpufreq-", "devfreq-", "thermal-devfreq-", "Processor")
    )


def _x86_counters(root: Path) -> Iterator[Path]:
    """One counter for each core and package: the threads of a core show the same one."""
    seen = set()
    for cpu in sorted(usable_cpus(root)):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}"
        topology = folder / "topology"
        for name, key in (("core", "thread_siblings_list"), ("package", "physical_package_id")):
            counter = folder / f"thermal_throttle/{name}_throttle_count"
            which = (name, text_of(topology / key) or str(cpu))
            if which not in seen and counter.exists():
                seen.add(which)
                yield counter


class _Throttled:
    """How many parts are throttled now, plus how many throttling events were counted since the last read."""

    def __init__(self, states: Iterable[Path], counters: Iterable[Path]) -> None:
        self._states = list(states)
        self._counters = {path: number for path in counters if (number := _number_or_none(path)) is not None}

    def __call__(self) -> float:
        states = [_number_or_none(path) for path in self._states]
        answers = [float(state > 0) for state in states if state is not None]
        for path, before in self._counters.items():
            if (now := _number_or_none(path)) is not None:
                answers.append(max(0.0, now - before))
                self._counters[path] = now
        if not answers:
            raise OSError("no throttle state can be read")
        return sum(answers)


class _Busy:
    """Share of all CPUs' time that was not idle since the last read, in percent."""

    def __init__(self, stat: Path) -> None:
        self._stat = stat
        self._before = (0, 0)

    def __call__(self) -> float:
        before, self._before = self._before, self._times()
        idle, total = self._before[0] - before[0], self._before[1] - before[1]
        if before == (0, 0) or total <= 0:
            raise ValueError("no tick since the last read")
        return min(100.0, max(0.0, 100 * (1 - idle / total)))

    def _times(self) -> tuple[int, int]:
        """Idle ticks (idle, iowait) and all ticks; those of guests are part of the users'."""
        fields = _bytes_of(self._stat).split(b"\n", 1)[0].split()[1:9]
        ticks = [int(field) for field in fields]
        return sum(ticks[3:5]), sum(ticks)


class _Rapl:
    """Power in mW since the last read, from a counter of energy in µJ that wraps."""

    def __init__(self, zone: Path) -> None:
        self._energy = zone / "energy_uj"
        self._range = _number_or_none(zone / "max_energy_range_uj") or 0.0
        self._before = (math.nan, math.nan)  # s, µJ

    def __call__(self) -> float:
        before, self._before = self._before, (time.monotonic(), _number_of(self._energy))
        seconds, energy = self._before[0] - before[0], self._before[1] - before[1]
        return (energy if energy >= 0 else energy + self._range) / seconds / 1e3


def _file(quantity: str, unit: str, path: Path, scale: float, *, above: float = -float("inf")) -> _Found:
    """A file with one whole number, which must be above `above`."""

    def read() -> float:
        value = _number_of(path) * scale
        if value <= above:
            raise ValueError(f"{path} is off")
        return value

    if path.exists():
        yield quantity, unit, read


def _product(millivolts: Path, milliamperes: Path) -> Callable[[], float]:
    return lambda: _number_of(millivolts) * _number_of(milliamperes) / 1e3


def plain(name: str) -> str:
    """A name of letters, digits and underscores."""
    return re.sub(r"\W+", "_", name)


def _numbered(folder: Path, prefix: str) -> list[Path]:
    """The folder's entries "prefix0", "prefix1", … by number."""
    found = [path for path in _sorted(folder) if path.name.removeprefix(prefix).isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(prefix)))


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _number_or_none(path: Path) -> float | None:
    try:
        return _number_of(path)
    except (OSError, ValueError, OverflowError):
        return None


def _number_of(path: Path) -> float:
    return float(int(_bytes_of(path)))


def _bytes_of(path: Path) -> bytes:
    """The start of a system file, without Python's file objects: they take more than twice as long."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 4096)
    finally:
        os.close(handle)
