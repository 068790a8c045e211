"""One suite for both ways into ROS 2: Cyclone DDS over loopback, and rclpy as a FAKE, shaped like the real one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest

from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2 import cyclone_node, opening, rclpy_node
from edgeunet.camera.ros2.messages import (
    COMPRESSED_IMAGE,
    DIAGNOSTICS,
    IMAGE,
    CompressedImage,
    DiagnosticArray,
    DiagnosticStatus,
    Image,
    MessageType,
)
from edgeunet.camera.ros2.transport import Node, NodeError
from edgeunet.errors import MissingDependencyError, UsageError
from tests.camera.ros2.network import image_of, new_topic, sent, until
from tests.fakes import rclpy

rclpy_node_qos = rclpy_node._qos
HEADER = FrameHeader(1_700_000_000_123_456_789, "front")
PICTURE = image_of(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))
STATUS = DiagnosticStatus(1, "edgeunet: front", "late", "cam-7", (("age_ms", "41.2"), ("größe", "")))
MESSAGES: dict[MessageType, bytes] = {
    IMAGE: PICTURE.to_bytes(),
    COMPRESSED_IMAGE: CompressedImage(HEADER, "jpeg", memoryview(b"\xff\xd8\xff.")).to_bytes(),
    DIAGNOSTICS: DiagnosticArray(HEADER, (STATUS, STATUS)).to_bytes(),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_arrives_as_it_was_sent(new_node: Callable[[], Node], kind: MessageType) -> None:
    topic = new_topic()
    publication, subscription = new_node().advertise(topic, kind), new_node().subscribe(topic, kind)
    assert subscription.take(0.01) is None
    arrived = sent(publication, subscription, MESSAGES[kind])
    # Cyclone DDS says in the third and fourth byte how many it has added to a multiple of four.
    assert arrived[4 : len(MESSAGES[kind])] == MESSAGES[kind][4:]
    assert len(arrived) - len(MESSAGES[kind]) < 4


def test_only_the_newest_message_waits(new_node: Callable[[], Node]) -> None:
    topic = new_topic()
    publication, subscription = new_node().advertise(topic, IMAGE), new_node().subscribe(topic, IMAGE)
    sent(publication, subscription, PICTURE.to_bytes())
    while subscription.take(0.3) is not None:
        pass
    for number in range(5):
        publication.publish(image_of(np.full((2, 2, 1), number, np.uint8), "mono8").to_bytes())
    time.sleep(0.3)
    newest = subscription.take(0.3)
    assert newest is not None
    assert Image.from_bytes(newest).data[0] == 4
    assert subscription.take(0.1) is None


def test_it_is_known_who_publishes_what(new_node: Callable[[], Node]) -> None:
    topic = new_topic()
    subscription = new_node().subscribe(topic, IMAGE)
    assert subscription.publishers() == []
    first, second = new_node(), new_node()
    first.advertise(topic, IMAGE)
    second.advertise(topic, DIAGNOSTICS)
    second.advertise(new_topic(), IMAGE)
    until(lambda: sorted(subscription.publishers()) == [DIAGNOSTICS, IMAGE])
    first.close()
    until(lambda: subscription.publishers() == [DIAGNOSTICS])
    assert subscription.take(0.1) is None


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("volatile", [True, False])
def test_cameras_of_every_quality_of_service_are_heard(loopback: None, *, reliable: bool, volatile: bool) -> None:
    """As drivers publish: reliable or best effort, volatile or transient local, keeping several."""
    from cyclonedds.core import Policy, Qos

    reliability = Policy.Reliability.Reliable(100_000_000) if reliable else Policy.Reliability.BestEffort
    durability = Policy.Durability.Volatile if volatile else Policy.Durability.TransientLocal
    topic, node = new_topic(), opening.open_node()
    subscription = node.subscribe(topic, IMAGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cyclone_node, "_qos", lambda _: Qos(reliability, durability, Policy.History.KeepLast(5)))
        publication = node.advertise(topic, IMAGE)
    sent(publication, subscription, PICTURE.to_bytes())
    node.close()


def test_a_best_effort_publisher_is_heard_through_rclpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the FAKE, which matches as ROS 2 does."""
    rclpy.install(monkeypatch)
    node = opening.open_node()
    subscription = node.subscribe("/a", IMAGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rclpy_node, "_qos", lambda _: rclpy_node_qos("BEST_EFFORT"))
        publication = node.advertise("/a", IMAGE)
    sent(publication, subscription, PICTURE.to_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rclpy_node, "_qos", lambda _: rclpy_node_qos("RELIABLE"))
        deaf = node.subscribe("/a", IMAGE)
    publication.publish(PICTURE.to_bytes())
    assert subscription.take(0.1) is not None
    assert deaf.take(0.1) is None


def test_a_publisher_without_readers_does_not_wait(new_node: Callable[[], Node]) -> None:
    publication = new_node().advertise(new_topic(), IMAGE)
    for _ in range(100):
        publication.publish(PICTURE.to_bytes())


@pytest.mark.parametrize("text", ["-1", "233", "one", "0x1", "1 2"])
def test_a_domain_that_is_none(loopback: None, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(UsageError, match="ROS_DOMAIN_ID is 0 to 232, got"):
        opening.open_node()


def test_a_configuration_that_is_none(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "231")  # one of its own: a process configures a domain once
    monkeypatch.setenv("CYCLONEDDS_URI", "<CycloneDDS><Domain><Nonsense/></Domain></CycloneDDS>")
    with pytest.raises(NodeError, match=r"Cyclone DDS does not start .*check the network and CYCLONEDDS_URI"):
        opening.open_node()


def test_the_users_configuration_comes_last(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "230")
    monkeypatch.setenv("CYCLONEDDS_URI", "<Internal><SocketReceiveBufferSize min='999MB'/></Internal>")
    with pytest.raises(NodeError, match="does not start"):  # no machine gives as much
        opening.open_node()


def test_neither_of_both_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeunet\[ros2\]' on x86-64; .*setup.bash"):
        opening.open_node()


def only_rclpy(name: str) -> Any:
    return None if name == "cyclonedds" else object()


def test_rclpy_of_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", only_rclpy)
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(NodeError, match=r"rclpy does not load .*the Python of ROS 2 and --system-site-packages"):
        opening.open_node()


def test_cyclone_takes_the_place_of_rclpy_that_does_not_load(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "rclpy", None)
    opening.open_node().close()


def test_faults_of_rclpy_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = rclpy.install(monkeypatch)
    bus.fault = RuntimeError("failed to initialize rcl:\n no network")
    with pytest.raises(NodeError, match=r"ROS 2 does not start \(failed to initialize rcl: no network\)"):
        opening.open_node()
    node = opening.open_node()
    publication, subscription = node.advertise("/a", IMAGE), node.subscribe("/a", IMAGE)
    bus.fault = RuntimeError("the context is invalid")
    with pytest.raises(NodeError, match="the context is invalid"):
        publication.publish(b"")
    bus.fault = RuntimeError("the context is invalid")
    with pytest.raises(NodeError, match="the context is invalid"):
        subscription.take(0.1)


def test_a_package_of_ros2_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    rclpy.install(monkeypatch, messages=False)
    with pytest.raises(NodeError, match=r"ROS 2 has no diagnostic_msgs: apt install .*-diagnostic-msgs"):
        opening.open_node().advertise("/a", DIAGNOSTICS)


def test_faults_of_cyclone_are_told(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclonedds.core import DDSException
    from cyclonedds.sub import DataReader

    def refuse(*arguments: object, **others: object) -> None:
        raise DDSException(DDSException.DDS_RETCODE_OUT_OF_RESOURCES)

    node = opening.open_node()
    subscription = node.subscribe(new_topic(), IMAGE)
    monkeypatch.setattr(DataReader, "take", refuse)
    with pytest.raises(NodeError, match="OUT_OF_RESOURCES"):
        subscription.take(0.01)
    monkeypatch.setattr(DataReader, "__init__", refuse)
    with pytest.raises(NodeError, match="OUT_OF_RESOURCES"):
        node.subscribe(new_topic(), IMAGE)
    node.close()


def test_a_message_without_room_is_dropped(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclonedds.core import DDSException
    from cyclonedds.pub import DataWriter

    node = opening.open_node()
    publication = node.advertise(new_topic(), IMAGE)

    def refuse(self: object, sample: object) -> None:
        raise DDSException(code)

    monkeypatch.setattr(DataWriter, "write", refuse)
    code = DDSException.DDS_RETCODE_TIMEOUT
    publication.publish(b"")
    code = DDSException.DDS_RETCODE_OUT_OF_RESOURCES
    with pytest.raises(NodeError, match="OUT_OF_RESOURCES"):
        publication.publish(b"")
    node.close()


STOPPED_READER = """
import os, signal, sys
from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.messages import IMAGE
from cyclonedds.core import Policy
import edgeunet.camera.ros2.cyclone_node as cyclone
plain = cyclone._qos
cyclone._qos = lambda reliability: plain(Policy.Reliability.Reliable(100_000_000))
reader = open_node().subscribe(sys.argv[1], IMAGE)
while reader.take(1) is None:
    pass
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_reliable_reader_that_hangs_holds_nothing_up(loopback: None) -> None:
    """It never acknowledges: messages are dropped, and the publisher goes on."""
    topic, node = new_topic(), opening.open_node()
    publication = node.advertise(topic, IMAGE)
    large = image_of(np.zeros((720, 1280, 1), np.uint8), "mono8").to_bytes()
    with subprocess.Popen([sys.executable, "-c", STOPPED_READER, topic]) as reader:
        try:
            while psutil.Process(reader.pid).status() != psutil.STATUS_STOPPED:
                publication.publish(large)
                time.sleep(0.05)
            begin = time.monotonic()
            for _ in range(20):
                publication.publish(large)
            assert time.monotonic() - begin < 20 * 1.0
        finally:
            reader.kill()
    node.close()
