"""A made board for jetson/setup.sh: its files under a folder, and stand-ins on PATH for the programs that change it.

Each stand-in writes its command to `log`. bash, sed, awk and the like are the system's, and so is the Python that
the stand-in of python3 hands over to.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "jetson/setup.sh"
_LOGGED = 'echo "$(basename "$0") $*" >>"$BOARD/log"\n'
_PYTHON = """case "$*" in
    *sys.version_info*) echo "$PYTHON_VERSION" ;;
    *"import ensurepip"*) exit 0 ;;
    "-m venv"*) {logged} mkdir -p "$4/bin"; cp "$BOARD/bin/in-venv" "$4/bin/python"; cp "$4/bin/python" "$4/bin/pip"
        cp "$BOARD/bin/in-venv" "$4/bin/edgeunet"; echo "include-system-site-packages = true" >"$4/pyvenv.cfg" ;;
    *) exec {python} "$@" ;;
esac
"""
_APT_GET = """case "$*" in
    *--assume-no*) echo "Need to get 1,100 MB/2,000 MB of archives."
        echo "After this operation, ${{APT_GROWS:-0.5 GB}} of additional disk space will be used."; exit 1 ;;
esac
{logged}
exit "${{APT_CODE:-0}}"
"""
_SWAPS = "Filename Type Size Used Priority\n/dev/zram0 partition 3901312 0 5\n"
_MODULES = {
    "tensorrt.py": "__version__ = '10.3.0'\n",
    "numpy.py": "__version__ = '1.21.5'\n",
    "cv2.py": "def getBuildInformation():\n    return '  Video I/O:\\n    GStreamer:    YES (1.20.3)\\n'\n",
}


@dataclass
class Ran:
    """A run of the script."""

    code: int
    out: str
    err: str
    log: list[str]  # what the stand-ins were told


@dataclass
class Board:
    """An Orin Nano with JetPack 6.2 where everything is there but the venv."""

    folder: Path

    def __post_init__(self) -> None:
        self.write("root/proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0")
        self.write("root/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n")
        self.write("root/proc/meminfo", "MemTotal:  7802632 kB\nSwapTotal: 12290000 kB\n")
        self.write("root/proc/swaps", f"{_SWAPS}/swapfile file 8388604 0 -2\n")
        self.program("root/usr/local/cuda/bin/nvcc", "")
        for name, text in _MODULES.items():
            self.write(f"modules/{name}", text)
        self.program("bin/python3", _PYTHON.format(python=shlex.quote(sys.executable), logged=_LOGGED.strip() + ";"))
        for name in ("gst-inspect-1.0", "in-venv", "systemctl"):
            self.program(f"bin/{name}", _LOGGED)
        self.program("bin/apt-get", _APT_GET.format(logged=_LOGGED.strip()))
        self.program("bin/apt-cache", '[[ "$*" = "show ${APT_KNOWS:-libopencv-python}" ]]')
        self.program("bin/sudo", 'echo "sudo" >>"$BOARD/log"; exec "$@"')
        self.program("bin/id", 'echo "${OWN_ID:-1000}"')
        self.program(
            "bin/df", 'echo "Filesystem 1048576-blocks Used Available"; echo "/dev/x 9 9 ${FREE_MB:-90000} 1% /"'
        )

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def program(self, name: str, script: str) -> None:
        self.write(name, f"#!/bin/bash\n{script}\n").chmod(0o755)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def setup(self, *arguments: str | Path, **environment: str) -> Ran:
        """Run the script."""
        log = self.write("log", "")
        done = subprocess.run(
            ["bash", SETUP, "--venv", self.venv, *arguments],
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "BOARD": str(self.folder),
                "EDGEUNET_SETUP_ROOT": str(self.folder / "root"),
                "PYTHONPATH": str(self.folder / "modules"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHON_VERSION": "3.10",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, log.read_text().splitlines())
