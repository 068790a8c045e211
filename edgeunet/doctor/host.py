"""The machine that the doctor checks: its files, and facts that are in no file."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.gpu import Gpu, find_gpu
from edgeunet.board.machine import ROOT, text_of


def may_open(device: Path) -> bool:
    """Whether this user may read and write a device file; the system decides, which knows access control lists, too."""
    return os.access(device, os.R_OK | os.W_OK)


def group_of(device: Path) -> str:
    """The group whose members may read and write a device file; "root" if only root may."""
    import grp  # not on Windows

    try:
        status = device.stat()
        return grp.getgrgid(status.st_gid).gr_name if status.st_mode & 0o060 == 0o060 else "root"
    except (OSError, KeyError):  # gone, or a group without a name
        return "root"


@dataclass(frozen=True)
class Host:
    """root: where the system's files are.

    find_gpu: raises GpuError where CUDA has no GPU. may_open, group_of: a device file.
    """

    root: Path = ROOT
    find_gpu: Callable[[], Gpu] = find_gpu
    may_open: Callable[[Path], bool] = may_open
    group_of: Callable[[Path], str] = group_of
    architecture: str = platform.machine()

    @cached_property
    def facts(self) -> dict[str, str]:
        """The fingerprint's facts of the machine, by name."""
        return fingerprint({}, self.root)

    @cached_property
    def jetson(self) -> bool:
        """A container without the board's devices shows neither model nor release; its kernel is the board's."""
        kernel = text_of(self.root / "proc/sys/kernel/osrelease")
        model = self.facts.get("board", "")
        return "Jetson" in model or "l4t" in self.facts or kernel.endswith("-tegra")

    @cached_property
    def container(self) -> bool:
        marks = (".dockerenv", "run/.containerenv")
        return any((self.root / mark).exists() for mark in marks)

    @cached_property
    def nvidia_gpu(self) -> bool:
        """Whether there is an NVIDIA GPU, with or without a driver: a Jetson's, or one on the PCI bus."""
        devices = (self.root / "sys/bus/pci/devices").glob("*")
        display = (d for d in devices if text_of(d / "class").startswith("0x03"))
        return self.jetson or "gpu" in self.facts or any(text_of(d / "vendor") == "0x10de" for d in display)
