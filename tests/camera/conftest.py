"""A model, a disk that fills, threads that must end, and both ways into ROS 2."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.transport import Node
from tests.camera.ros2.network import LOOPBACK, NO_WHEEL
from tests.fakes import rclpy
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


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cyclone DDS on this machine only, also in processes that are started."""
    pytest.importorskip("cyclonedds", reason=NO_WHEEL)
    for name, value in LOOPBACK.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["cyclone", "fake rclpy"])
def middleware(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two in turn."""
    if request.param == "cyclone":
        request.getfixturevalue("loopback")
    else:
        rclpy.install(monkeypatch)


@pytest.fixture
def new_node(middleware: None) -> Iterator[Callable[[], Node]]:
    """Opens nodes, and closes them after the test."""
    nodes: list[Node] = []

    def opened() -> Node:
        nodes.append(open_node())
        return nodes[-1]

    yield opened
    for node in nodes:
        node.close()
