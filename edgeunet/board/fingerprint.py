"""The fingerprint: the facts of a machine that a latency depends on.

Two latencies may be compared only if all of these are equal. None of them names the host or its user.

What changes from minute to minute (clocks, temperature, load) is measured with the latency instead, in telemetry.py;
uptime, free memory and the fan are left out. The kernel's release is a fact: its scheduler, its drivers and its
mitigations of CPU bugs change with it.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from edgeunet.board.machine import ROOT, cpu_model, field_of, is_number, physical_cores, text_of, usable_cpus
from edgeunet.board.settings import settings

_OF_SESSION = {"version": "backend_version", "memory": "buffers"}  # names that mean something else for the machine


def fingerprint(
    session: Mapping[str, str], root: Path = ROOT, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Facts by name; one that this machine does not report is left out.

    session: what Session.describe() returns; its "version" becomes "backend_version", its "memory" "buffers".
    """
    facts = {
        "board": text_of(root / "proc/device-tree/model"),
        "cpu": cpu_model(root),
        "architecture": text_of(root / "proc/sys/kernel/arch") or platform.machine(),
        "usable_cpus": str(len(usable_cpus(root))),
        "physical_cores": str(physical_cores(root)),
        "memory": _memory(root),
        "os": field_of(root / "etc/os-release", "PRETTY_NAME", "=") or platform.system(),
        "kernel": text_of(root / "proc/sys/kernel/osrelease") or platform.release(),
        "gpu": _gpus(root),
        "gpu_driver": _gpu_driver(root),
        "l4t": _l4t(root),
        "cuda": _cuda(root),
        "tensorrt": _tensorrt(root),
        "python": platform.python_version(),
        **settings(root, environ),
        **{_OF_SESSION.get(key, key): value for key, value in session.items()},
    }
    return {name: value for name, value in facts.items() if value}


def _memory(root: Path) -> str:
    """In whole GiB: the part that the kernel keeps differs from boot to boot."""
    kib = field_of(root / "proc/meminfo", "MemTotal").removesuffix("kB").strip()
    return f"{round(int(kib) / 2**20)} GiB" if is_number(kib) else ""


def _gpus(root: Path) -> str:
    """Names of NVIDIA GPUs on the PCI bus; the GPU of a Jetson is not on it."""
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    return ", ".join(filter(None, (field_of(card, "Model") for card in cards)))


def _gpu_driver(root: Path) -> str:
    """Version of NVIDIA's kernel module; a container may show only the second file."""
    if version := text_of(root / "sys/module/nvidia/version"):
        return version
    found = re.search(r"^NVRM version:.*?\s(\d+(?:\.\d+)+)\s", text_of(root / "proc/driver/nvidia/version"))
    return found[1] if found else ""


def _l4t(root: Path) -> str:
    """Release of Jetson Linux: "R36.4.3" from "# R36 (release), REVISION: 4.3, GCID: …"."""
    found = re.search(r"(R\d+)\b.*?REVISION:\s*(\d+(?:\.\d+)*)", text_of(root / "etc/nv_tegra_release"))
    return f"{found[1]}.{found[2]}" if found else ""


def _cuda(root: Path) -> str:
    """Version of the toolkit in its usual place."""
    try:
        return str(json.loads(text_of(root / "usr/local/cuda/version.json"))["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return ""


def _tensorrt(root: Path) -> str:
    """Version of the system's TensorRT, from its library's name; a session reports one that pip installed."""
    names = (path.name for path in (root / "usr/lib").glob("*-linux-gnu/libnvinfer.so.*.*.*"))
    return ", ".join(sorted(name.removeprefix("libnvinfer.so.") for name in names))
