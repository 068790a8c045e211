"""A model, a disk that fills, and threads that must end."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models import write_toy_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_toy_model(tmp_path / "toy.onnx")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system can't be mounted here (needs root on Linux)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Every thread of the camera's has ended once the test has."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("edgeunet-"):
            thread.join(10)
            assert not thread.is_alive()
