"""The machine: its processor, and how the system's files are read.

`root` is where the system's files are; "/" except in tests.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

ROOT = Path("/")


def usable_cpus(root: Path = ROOT) -> set[int]:
    """Numbers of the CPUs this process may use."""
    if cpus := cpu_list(field_of(root / "proc/thread-self/status", "Cpus_allowed_list")):
        return cpus
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def cpu_list(text: str) -> set[int]:
    """The numbers in a list as Linux writes it: "0-2,5" is 0, 1, 2 and 5. Empty for anything else."""
    cpus: set[int] = set()
    for part in text.split(","):
        ends = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip())
        if ends is None:
            return set()
        cpus.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return cpus


def physical_cores(root: Path = ROOT) -> int:
    """Cores that this process may use; the threads of one core count once. At least 1."""
    siblings = set()
    for cpu in usable_cpus(root):
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        siblings.add(text_of(topology) or str(cpu))
    return max(1, len(siblings))


def cpu_model(root: Path = ROOT) -> str:
    """The processor's name, as the system gives it."""
    return field_of(root / "proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def processor(root: Path = ROOT) -> str:
    """The processor in a line, as far as it decides how a model runs fastest: "AMD EPYC, x86_64, 2 cores, 4 CPUs"."""
    return f"{cpu_model(root)}, {platform.machine()}, {physical_cores(root)} cores, {len(usable_cpus(root))} CPUs"


def text_of(path: Path) -> str:
    """A system file's text without padding (device-tree strings end in a zero byte); "" if it cannot be read."""
    try:
        return path.read_text(errors="replace").strip(" \t\n\0")
    except OSError:
        return ""


def field_of(path: Path, name: str, separator: str = ":") -> str:
    """The value of the first line "name: value" of a system file; "" if there is none."""
    for line in text_of(path).splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip(' \t"')
    return ""


def is_number(text: str) -> bool:
    """Whether the text of a system file is a whole number, 0 or above, of at most 18 digits."""
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


def cpu_flags(root: Path = ROOT) -> frozenset[str]:
    """Instruction sets of the processor, as Linux lists them; empty elsewhere."""
    cpuinfo = root / "proc/cpuinfo"
    return frozenset((field_of(cpuinfo, "flags") or field_of(cpuinfo, "Features")).split())  # x86, Arm


def int8_instructions(root: Path = ROOT) -> list[str]:
    """The processor's instruction sets that multiply 8-bit integers fast; without one, INT8 may not be faster."""
    return sorted(cpu_flags(root) & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
