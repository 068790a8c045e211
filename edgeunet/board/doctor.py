"""The doctor: each part that a command may need, whether it is there, and the command that installs it."""

from __future__ import annotations

import importlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeunet.board.machine import cpu_model, int8_instructions, physical_cores
from edgeunet.parts import PARTS

State = Literal["ok", "warning", "wrong"]
_COLORS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@dataclass(frozen=True)
class Finding:
    """One line of the doctor. wrong: nothing works without it; warning: something does not."""

    state: State
    part: str
    found: str
    remedy: str = ""

    @property
    def color(self) -> str:
        return _COLORS[self.state]


def examine() -> list[Finding]:
    """Look at everything; never raises."""
    return [_python(), _cpu(), _opencv(), *(_module(name) for name in PARTS if name != "cv2"), _disk()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 10) <= sys.version_info < (3, 13):
        return Finding("ok", "Python", version)
    return Finding("wrong", "Python", version, "use 3.10, 3.11 or 3.12")


def _cpu() -> Finding:
    found = f"{cpu_model()}, {physical_cores()} core(s)"
    if fast := int8_instructions():
        return Finding("ok", "CPU", f"{found}, INT8 instructions: {', '.join(fast)}")
    return Finding(
        "warning",
        "CPU",
        f"{found}, no INT8 instructions",
        "INT8 may not pay here: `edgeunet export int8 --target openvino` measures it",
    )


def _opencv() -> Finding:
    try:
        import cv2
    except ImportError as error:
        if "libGL" in str(error):
            return Finding(
                "wrong", "OpenCV", "cannot load libGL", "apt install libgl1, or pip install opencv-python-headless"
            )
        return Finding("wrong", "OpenCV", "missing", PARTS["cv2"].install)
    gstreamer = any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines())
    if gstreamer:
        return Finding("ok", "OpenCV", f"{cv2.__version__} with GStreamer")
    return Finding("ok", "OpenCV", f"{cv2.__version__} without GStreamer (CSI cameras need it)")


def _module(name: str) -> Finding:
    part = PARTS[name]
    try:
        module = importlib.import_module(name)
    except ImportError:
        return Finding("warning", part.title, f"missing; {part.work} needs it", part.install)
    return Finding("ok", part.title, str(getattr(module, "__version__", "present")))


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    if free < 1:
        return Finding("warning", "disk", f"{free:.2f} GiB free here", "free some space")
    return Finding("ok", "disk", f"{free:.0f} GiB free here")
