"""The fingerprint: the facts of a machine that a latency depends on.

Two latencies may be compared only where these agree. Nothing in it names the host or its user.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

from edgeunet.board.machine import ROOT, cpu_model, field_of, physical_cores, text_of, usable_cpus


def fingerprint(session: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """Facts by name; one that this machine does not tell is left out.

    session: what Session.describe() gives; its "version" stands as "backend_version".
    """
    facts = {
        "board": text_of(root / "proc/device-tree/model"),
        "cpu": cpu_model(root),
        "architecture": platform.machine(),
        "usable_cpus": str(len(usable_cpus())),
        "physical_cores": str(physical_cores(root)),
        "memory": _memory(root),
        "os": field_of(root / "etc/os-release", "PRETTY_NAME", "=") or platform.system(),
        "kernel": text_of(root / "proc/sys/kernel/osrelease") or platform.release(),
        "governor": _governors(root),
        "gpu": _gpus(root),
        "gpu_driver": text_of(root / "sys/module/nvidia/version"),
        "l4t": _l4t(root),
        "python": platform.python_version(),
        **{"backend_version" if key == "version" else key: value for key, value in session.items()},
    }
    return {name: value for name, value in facts.items() if value}


def _memory(root: Path) -> str:
    """In whole GiB: what the kernel keeps for itself differs from boot to boot."""
    kib = field_of(root / "proc/meminfo", "MemTotal").removesuffix("kB").strip()
    return f"{round(int(kib) / 2**20)} GiB" if kib.isdigit() else ""


def _governors(root: Path) -> str:
    """Frequency governors of the usable CPUs: one name, or several where they differ."""
    folder = root / "sys/devices/system/cpu"
    names = {text_of(folder / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in usable_cpus()}
    return ", ".join(sorted(names - {""}))


def _gpus(root: Path) -> str:
    """Names of NVIDIA GPUs on the PCI bus; a Jetson's is part of the board."""
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    return ", ".join(filter(None, (field_of(card, "Model") for card in cards)))


def _l4t(root: Path) -> str:
    """Release of Jetson Linux: "R36.4.3" from "# R36 (release), REVISION: 4.3, GCID: …"."""
    parts = text_of(root / "etc/nv_tegra_release").split(",")
    if len(parts) < 2:
        return ""
    return f"{parts[0].split()[1]}.{parts[1].rpartition(':')[2].strip()}"
