"""Doctor checks of processor, memory, swap and disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgeunet.board.machine import cpu_model, field_of, int8_instructions, is_number, physical_cores, text_of
from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check

GIB = 2**30
SMALL_MEMORY_GIB = 9  # a module of 8 GB: TensorRT's search for kernels and the camera share it with the GPU
LEAST_SWAP_GIB = 2
LEAST_AVAILABLE_GIB = 1
FULL_GIB, LOW_GIB = 0.1, 1.0


def check_resources(host: Host, here: Path) -> list[Check]:
    """here: the folder that outputs are written to."""
    return [_cpu(host), _memory(host), *_disks(host, here)]


def _cpu(host: Host) -> Check:
    found = f"{cpu_model(host.root)}, {physical_cores(host.root)} core(s)"
    if fast := int8_instructions(host.root):
        return Check("ok", "CPU", f"{found}, INT8 instructions: {', '.join(fast)}")
    return Check(
        "warning",
        "CPU",
        f"{found}, no INT8 instructions",
        "INT8 may not be faster here: `edgeunet export int8 MODEL --data DATA --target openvino -o FILE` measures it",
    )


def _memory(host: Host) -> Check:
    total, available = (_gib(host, name) for name in ("MemTotal", "MemAvailable"))
    swap = _swap_gib(host)
    found = f"{total:.1f} GiB, {available:.1f} available, swap {swap:.1f} GiB"
    if not total:
        return Check("warning", "memory", "unknown: /proc/meminfo does not report it", "mount /proc")
    if available < LEAST_AVAILABLE_GIB:
        remedy = "close other programs; on a Jetson, sudo systemctl isolate multi-user.target ends the desktop"
        return Check("warning", "memory", found, remedy)
    if host.jetson and total < SMALL_MEMORY_GIB and swap < LEAST_SWAP_GIB:
        remedy = (
            "an engine build may be killed: sudo systemctl disable nvzramconfig; sudo fallocate -l 8G /swapfile && "
            "sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile && "
            "echo '/swapfile none swap sw 0 0' | sudo tee -a /etc/fstab"
        )
        return Check("warning", "memory", found, remedy)
    return Check("ok", "memory", found)


def _gib(host: Host, name: str) -> float:
    kib = field_of(host.root / "proc/meminfo", name).removesuffix("kB").strip()
    return int(kib) / 2**20 if is_number(kib) else 0.0


def _swap_gib(host: Host) -> float:
    """Without zram: JetPack compresses memory, which gives an engine build no more of it."""
    lines = [line.split() for line in text_of(host.root / "proc/swaps").splitlines()[1:]]
    sizes = [line[2] for line in lines if len(line) > 2 and not line[0].startswith("/dev/zram")]
    return sum(int(kib) for kib in sizes if is_number(kib)) / 2**20


def _disks(host: Host, here: Path) -> list[Check]:
    """The root file system, and that of `here` if it is another one."""
    checks = [_disk("disk", "/", host.root)]
    if here.stat().st_dev != host.root.stat().st_dev:
        checks.append(_disk("disk here", str(here), here))
    return checks


def _disk(part: str, name: str, folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / GIB
    remedy = "free some space: sudo apt clean, sudo journalctl --vacuum-size=100M, old recordings and masks"
    if free < FULL_GIB:
        return Check("wrong", part, f"{name} is full, {free * 1024:.0f} MiB free", remedy)
    if free < LOW_GIB:
        return Check("warning", part, f"{name} is nearly full, {free:.2f} GiB free", remedy)
    return Check("ok", part, f"{name} has {free:.0f} GiB free")
