"""The peer's own Python: a virtual environment that has its packages, and running this study's programs in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeunet.errors import CommandError, UsageError
from edgeunet.utils import console

CHECKOUT = Path(__file__).parents[3]
PROGRAM = "benchmarks.studies.peers.peer_program"
# nncf: its INT8 for OpenVINO. Versions are those of this project, where it has them: both run the same torch.
PACKAGES = ("ultralytics", "openvino", "onnx", "onnxslim", "onnxruntime", "nncf")
VERSIONS = ("ultralytics", "torch", "openvino", "nncf", "onnxruntime", "opencv-python")
REMEDY = f"python -m venv FOLDER; FOLDER/bin/pip install {' '.join(PACKAGES)}; --peer-python FOLDER/bin/python"
_ASK = """
import importlib.metadata as packages, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = packages.version(name)
    except packages.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class PeerPython:
    """path: of its interpreter. folder: where it keeps its settings; nothing is written elsewhere."""

    path: Path
    folder: Path

    def versions(self) -> dict[str, str]:
        """Of the packages that matter. Raises UsageError if it is no Python, or lacks one that is needed."""
        try:
            asked = subprocess.run([self.path, "-c", _ASK, *VERSIONS], capture_output=True, text=True, check=True)
            found: dict[str, str] = json.loads(asked.stdout)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            raise UsageError(f"--peer-python {self.path} does not run Python: {REMEDY}") from error
        if lacking := [name for name in ("ultralytics", "torch", "openvino", "nncf") if name not in found]:
            raise UsageError(f"--peer-python {self.path} has no {', '.join(lacking)}: {REMEDY}")
        return found

    def start(self, action: str, model: Path | str, settings: Mapping[str, Any], log: Path) -> subprocess.Popen[str]:
        """Start one action of peer_program.py; its words go into `log`, its findings to stdout."""
        command = [str(self.path), "-m", PROGRAM, action, str(model), json.dumps(settings)]
        environment = os.environ | {
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONNOUSERSITE": "1",
            "YOLO_OFFLINE": "true",  # no downloads, no statistics
            "YOLO_CONFIG_DIR": str(self.folder),
            "YOLO_AUTOINSTALL": "false",
            "OMP_NUM_THREADS": "1",
        }
        with log.open("w") as words:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
            )

    def run(self, action: str, model: Path | str, settings: Mapping[str, Any], log: Path) -> Any:
        """Run one action to its end and return its findings. Raises CommandError if it fails."""
        return self.findings(self.start(action, model, settings, log), action, log)

    @staticmethod
    def findings(process: subprocess.Popen[str], action: str, log: Path, timeout_s: float | None = None) -> Any:
        """Wait for an action, and return what it found. Raises CommandError if it fails or does not end in time."""
        try:
            found, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"the peer's {action} has not ended within {timeout_s:g} s: see {log}") from error
        finally:
            process.kill()
        if process.returncode:
            raise CommandError(f"the peer's {action} ended with exit code {process.returncode}: see {log}")
        return json.loads(found.strip().rpartition("\n")[2] or "null")


def make_peer_python(folder: Path) -> Path:
    """The interpreter of a virtual environment in `folder`, made with pip if it is not there.

    Raises CommandError if pip cannot install a package.
    """
    python = folder / "bin" / "python"
    if python.exists():
        return python
    console.stdout().print(f"making {folder} with {', '.join(PACKAGES)}")
    for command in (
        [sys.executable, "-m", "venv", folder],
        [python, "-m", "pip", "install", "-q", "-c", CHECKOUT / "constraints.txt", *PACKAGES],
    ):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise CommandError(f"{folder} cannot be made ({last}): {REMEDY}")
    return python
