"""Both ways into ROS 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.transport import Node
from tests.camera.ros2.network import LOOPBACK, NO_WHEEL
from tests.fakes import rclpy


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
