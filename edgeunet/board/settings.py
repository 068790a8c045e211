"""Settings of a machine that change latency: clocks, power, limits, priority, environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgeunet.board.machine import is_number, text_of, usable_cpus
from edgeunet.board.sensors.sysfs import devfreq_kind

ENVIRONMENT = (
    *("OMP_NUM_THREADS", "OMP_DYNAMIC", "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "GOMP_CPU_AFFINITY"),
    *("GOMP_SPINCOUNT", "KMP_AFFINITY", "KMP_BLOCKTIME", "MKL_NUM_THREADS", "MKL_DYNAMIC", "MKL_ENABLE_INSTRUCTIONS"),
    *("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "OPENCV_FOR_THREADS_NUM"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "CUDA_MODULE_LOADING", "CUDA_DEVICE_MAX_CONNECTIONS"),
    *("NVIDIA_TF32_OVERRIDE", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "PYTHONMALLOC", "PYTHONDEVMODE", "LD_PRELOAD"),
)
"""Variables that change the speed of a program."""

_NVPMODEL = "etc/nvpmodel.conf"


def settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Facts by name, "" for one that this machine does not report."""
    cpu = root / "sys/devices/system/cpu"
    cpufreq = [cpu / f"cpu{number}/cpufreq" for number in sorted(usable_cpus(root))]
    return {
        "governor": _each(text_of(folder / "scaling_governor") for folder in cpufreq),
        "cpu_clocks": _each(clock_range(folder, "scaling_min_freq", "scaling_max_freq", 1e3) for folder in cpufreq),
        "cpu_boost": _switch(cpu / "cpufreq/boost", on="1") or _switch(cpu / "intel_pstate/no_turbo", on="0"),
        "energy_preference": _each(text_of(folder / "energy_performance_preference") for folder in cpufreq),
        "gpu_clocks": _each(
            clock_range(device, "min_freq", "max_freq", 1e6)
            for device in sorted((root / "sys/class/devfreq").glob("*"))
            if devfreq_kind(device.name).startswith("gpu")
        ),
        "power_mode": power_mode(root),
        "power_profile": text_of(root / "sys/firmware/acpi/platform_profile"),
        "power_supply": _power_supply(root),
        "huge_pages": _chosen(text_of(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        "cpu_quota": _cpu_quota(root),
        "priority": _priority(root),
        **environment(environ),
    }


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ENVIRONMENT that are set. Of a path only its last part: folders may name a user."""
    return {name: re.sub(r"[^\s:]*/", "", environ[name]) for name in ENVIRONMENT if environ.get(name)}


def power_mode(root: Path) -> str:
    """The mode that nvpmodel has set on a Jetson, by name: numbers mean different modes on different boards."""
    # "pmode:0002"; if nvpmodel never changed it, the default.
    number = re.search(r"pmode:\s*(\d{1,9})", text_of(root / "var/lib/nvpmodel/status")) or re.search(
        r"^\s*<\s*PM_CONFIG\s+DEFAULT=(\d{1,9})", text_of(root / _NVPMODEL), re.MULTILINE
    )
    if number is None:
        return ""
    return power_mode_names(root).get(int(number[1]), f"number {int(number[1])}")


def power_mode_names(root: Path) -> dict[int, str]:
    """All modes of a Jetson, by number."""
    mode = r"^\s*<\s*POWER_MODEL\s+ID=(\d{1,9})\s+NAME=([^\s>]+)"
    return {int(number): name for number, name in re.findall(mode, text_of(root / _NVPMODEL), re.MULTILINE)}


def clock_range(folder: Path, lowest: str, highest: str, per_mhz: float) -> str:
    """The range of a clock: "730-1510 MHz", or "1510 MHz, locked" after `jetson_clocks`.

    A mode of nvpmodel lowers the highest clock, and so does heat.
    """
    low, high = text_of(folder / lowest), text_of(folder / highest)
    if not (is_number(low) and is_number(high)):
        return ""
    ends = f"{int(low) / per_mhz:.0f}", f"{int(high) / per_mhz:.0f}"
    return f"{ends[1]} MHz, locked" if ends[0] == ends[1] else f"{'-'.join(ends)} MHz"


def _each(values: Iterable[str]) -> str:
    """One value, or several if they differ."""
    return "; ".join(sorted(set(values) - {""}))


def _switch(path: Path, *, on: str) -> str:
    text = text_of(path)
    return text and ("on" if text == on else "off")


def _chosen(text: str) -> str:
    """The word in brackets: "always [madvise] never" is "madvise"."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""


def _power_supply(root: Path) -> str:
    """Whether a machine that has a mains adapter runs on it."""
    supplies = (root / "sys/class/power_supply").glob("*")
    online = [text_of(supply / "online") for supply in supplies if text_of(supply / "type") == "Mains"]
    return ("mains" if "1" in online else "battery") if online else ""


def _cpu_quota(root: Path) -> str:
    """CPUs that the control groups (version 2) of this process allow at once: "1.5 CPUs"."""
    path = next((line[3:] for line in text_of(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    top = root / "sys/fs/cgroup"
    group = top / path.strip("/")
    limits = []
    for folder in (group, *group.parents):
        quota, _, period = text_of(folder / "cpu.max").partition(" ")
        if is_number(quota) and is_number(period) and int(period):
            limits.append(int(quota) / int(period))
        if folder == top:
            break
    return f"{min(limits):g} CPUs" if limits else ""


def _priority(root: Path) -> str:
    """ "nice 5", "FIFO 50" or "RR 50"; "" for the default. Fields of proc_pid_stat(5)."""
    fields = text_of(root / "proc/thread-self/stat").rpartition(")")[2].split()
    if len(fields) < 39:
        return ""
    nice, real_time, policy = fields[16], fields[37], fields[38]
    name = {"1": "FIFO", "2": "RR"}.get(policy)
    return f"{name} {real_time}" if name else ("" if nice == "0" else f"nice {nice}")
