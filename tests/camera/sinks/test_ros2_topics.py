"""Masks as topics: one suite for Cyclone DDS over loopback and for a FAKE of rclpy; then the real command, recorded."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import FrameHeader, Shot, StateSink
from edgeunet.camera.ros2.messages import DIAGNOSTICS, IMAGE, DiagnosticArray, DiagnosticStatus, Image
from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.transport import Node, Subscription
from edgeunet.camera.sinks import ros2_topics
from edgeunet.camera.sinks.background import Background
from edgeunet.camera.sinks.ros2_topics import TopicPublisher
from edgeunet.camera.state.mask_state import Finding, MaskState, StateReport
from edgeunet.errors import OutputError
from tests.camera.ros2.network import image_of, new_topic, until
from tests.camera.running import Running
from tests.camera.shots import shot_of
from tests.fakes import rclpy
from tests.models import TRUST, toy_mask, toy_spec, write_toy_model

NewNode = Callable[[], Node]
PICTURE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
HEADER = FrameHeader(1_700_000_000_000_000_009, "front_optical")


def shot(source: str = "camera 0", *, header: FrameHeader | None = HEADER, confidence: bool = False) -> Shot:
    """Of a picture twice the size of the mask."""
    mask = np.arange(32 * 48, dtype=np.uint16).astype(np.uint8).reshape(32, 48) % 3
    made = shot_of(PICTURE, source=source, number=7, mask=mask)
    result = replace(made.result, confidence=mask * 80, familiarity=1.5) if confidence else made.result
    return replace(made, frame=replace(made.frame, header=header), result=result)


def heard(publish: Callable[[], None], *subscriptions: Subscription) -> list[bytes]:
    """What each of them hears of what is published until all have heard it."""
    found: dict[int, bytes] = {}

    def all_heard() -> bool:
        publish()
        for number, subscription in enumerate(subscriptions):
            if (message := subscription.take(0.1)) is not None:
                found.setdefault(number, message)
        return len(found) == len(subscriptions)

    until(all_heard)
    return [found[number] for number in range(len(subscriptions))]


def status_of(message: bytes) -> DiagnosticStatus:
    (status,) = DiagnosticArray.from_bytes(message).status
    return status


def test_mask_confidence_and_state_have_the_frames_stamp(new_node: NewNode) -> None:
    topic, node = new_topic("segmentation"), new_node()
    one = replace(shot(confidence=True), group=4)
    kinds = {topic: IMAGE, f"{topic}/confidence": IMAGE, f"{topic}/state": DIAGNOSTICS}
    with TopicPublisher(topic, {"camera 0": ""}, confidence=True) as sink:
        assert isinstance(sink, StateSink)
        ends = [node.subscribe(name, kind) for name, kind in kinds.items()]
        mask, confidence, state = heard(lambda: sink.write(one), *ends)
    for message, expected in ((mask, one.result.mask), (confidence, one.result.confidence)):
        image = Image.from_bytes(message)
        assert (image.header, image.encoding, image.bigendian) == (HEADER, "mono8", 0)
        assert (image.height, image.width, image.step) == (64, 96, 96)
        pixels = np.asarray(image.data).reshape(64, 96)
        assert expected is not None
        assert np.array_equal(pixels[::2, ::2], expected)
    assert DiagnosticArray.from_bytes(state).header == HEADER
    status = status_of(state)
    assert (status.level, status.name, status.hardware_id) == (1, f"edgeunet{topic}: camera 0", "camera 0")
    assert status.message == "late (12 ms old, the deadline is 10 ms)"
    assert dict(status.values) == {
        "state": "late",
        "reason": "12 ms old, the deadline is 10 ms",
        "age_ms": "12.0",
        "frame": "7",
        "dropped": "3",
        "group": "4",
        "confidence": f"{one.result.mean_confidence:.3f}",
        "familiarity": "1.500",
    }


def test_without_a_header_the_mask_has_the_time_of_capture(new_node: NewNode) -> None:
    topic, node = new_topic("segmentation"), new_node()
    one = shot(header=None)
    with TopicPublisher(topic, {"camera 0": ""}, confidence=False) as sink:
        (mask,) = heard(lambda: sink.write(one), node.subscribe(topic, IMAGE))
    header = Image.from_bytes(mask).header
    age_ns = time.perf_counter_ns() - one.frame.captured_ns
    assert header.frame_id == "camera_0"
    assert abs(time.time_ns() - age_ns - header.stamp_ns) < 20_000_000


def test_each_source_has_topics_of_its_own(new_node: NewNode) -> None:
    topic, node = new_topic("segmentation"), new_node()
    with TopicPublisher(topic, {"camera 0": "-camera-0", "drive.mp4": "-drive"}, confidence=False) as sink:
        front = node.subscribe(f"{topic}/camera_0", IMAGE)
        rear, state = node.subscribe(f"{topic}/drive", IMAGE), node.subscribe(f"{topic}/drive/state", DIAGNOSTICS)

        def write() -> None:
            sink.write(shot())
            sink.write(shot("drive.mp4", header=None))

        first, second, said = heard(write, front, rear, state)
    assert Image.from_bytes(first).header.frame_id == "front_optical"
    assert Image.from_bytes(second).header.frame_id == "drive"
    assert status_of(said).hardware_id == "drive.mp4"


def test_silence_is_published_with_the_last_frame_id(new_node: NewNode) -> None:
    topic, node = new_topic("segmentation"), new_node()
    report = StateReport("camera 0", Finding(MaskState.NONE, "no mask for 0.3 s"), 345_600_000)
    with TopicPublisher(topic, {"camera 0": ""}, confidence=False) as sink:
        sink.write(shot())
        (said,) = heard(lambda: sink.write_states([report]), node.subscribe(f"{topic}/state", DIAGNOSTICS))
    message = DiagnosticArray.from_bytes(said)
    assert message.header.frame_id == "front_optical"
    assert abs(time.time_ns() - message.header.stamp_ns) < 10_000_000_000
    status = status_of(said)
    assert (status.level, status.message) == (3, "none (no mask for 0.3 s)")
    assert dict(status.values) == {"state": "none", "reason": "no mask for 0.3 s", "age_ms": "345.6"}


def test_every_state_has_its_level() -> None:
    assert set(ros2_topics.LEVELS) == set(MaskState)


def test_diagnostics_hear_each_change_and_one_more_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the FAKE, which loses nothing."""
    bus = rclpy.install(monkeypatch)
    sent: list[str] = []
    monkeypatch.setattr(bus, "send", lambda publisher, data: sent.append(publisher.topic))
    now = [0]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])
    one = shot()
    frozen = replace(one, state=Finding(MaskState.FROZEN, "the same again"))
    with TopicPublisher("/seg", {"camera 0": ""}, confidence=True) as sink:
        for step, each in enumerate([one, one, frozen, frozen, *[frozen] * 26]):
            now[0] = step * 100_000_000
            sink.write(each)
    assert sent.count("/seg/state") == sent.count("/seg") == 30
    assert sent.count("/diagnostics") == 4  # late, frozen, and twice after a second
    assert sent.count("/seg/confidence") == 0, "the session has none"


def test_confidence_has_a_topic_once_a_model_that_gives_it_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the FAKE, which loses nothing."""
    bus = rclpy.install(monkeypatch)
    sent: list[str] = []
    monkeypatch.setattr(bus, "send", lambda publisher, data: sent.append(publisher.topic))
    with TopicPublisher("/seg", {"a": "-a", "b": "-b"}, confidence=False) as sink:
        for confidence in (False, True, True):
            sink.write(shot("b", confidence=confidence))
    assert [topic for topic in sent if "confidence" in topic] == ["/seg/b/confidence"] * 2
    assert sent.count("/seg/b") == 3


def test_a_fault_is_an_error_of_this_output(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = rclpy.install(monkeypatch)
    bus.fault = RuntimeError("no network")
    with (
        pytest.raises(OutputError, match=r"--ros2 /seg: ROS 2 does not start \(no network\)"),
        TopicPublisher("/seg", {"a": ""}, confidence=False),
    ):
        pass
    with TopicPublisher("/seg", {"camera 0": ""}, confidence=False) as sink:
        bus.fault = RuntimeError("the context is invalid")
        with pytest.raises(OutputError, match="--ros2 /seg: the context is invalid"):
            sink.write(shot())
        bus.fault = RuntimeError("the context is invalid")
        with pytest.raises(OutputError, match="--ros2 /seg: the context is invalid"):
            sink.write_states([StateReport("camera 0", Finding(MaskState.NONE))])


def test_it_works_in_a_thread_of_its_own(new_node: NewNode, no_thread_is_left: None) -> None:
    topic = new_topic("segmentation")
    state = new_node().subscribe(f"{topic}/state", DIAGNOSTICS)
    report = StateReport("camera 0", Finding(MaskState.NONE, "it starts"))
    publisher = TopicPublisher(topic, {"camera 0": ""}, confidence=False)
    with Background(publisher, "--ros2", live=True, notify=print) as sink:
        (said,) = heard(lambda: sink.write_states([report]), state)
    assert status_of(said).message == "none (it starts)"


def test_the_command_from_topic_to_topic_recorded_as_mcap(loopback: None, tmp_path: Path) -> None:
    """A subscriber writes what it hears into an MCAP file with rosbags, and reads it again."""
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    typesys = pytest.importorskip("rosbags.typesys")
    release = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    spec = replace(toy_spec(), trust=TRUST)
    model = write_toy_model(tmp_path / "toy.onnx", spec, trust=True)
    camera, masks = new_topic(), new_topic("segmentation")
    node = open_node()
    publication = node.advertise(camera, IMAGE)
    kinds = {masks: IMAGE, f"{masks}/confidence": IMAGE, f"{masks}/state": DIAGNOSTICS, "/diagnostics": DIAGNOSTICS}
    ends = {topic: node.subscribe(topic, kind) for topic, kind in kinds.items()}
    counts = dict.fromkeys(kinds, 0)
    picture = cv2.resize(PICTURE[:8, :12], (48, 32), interpolation=cv2.INTER_NEAREST)
    sent: list[int] = []
    with (
        Running(model, "--source", f"ros2://{camera}", "--ros2", masks) as running,
        rosbag2.Writer(tmp_path / "bag", version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as bag,
    ):
        connections = {topic: bag.add_connection(topic, kind, typestore=release) for topic, kind in kinds.items()}

        def record() -> bool:
            message = image_of(picture)
            publication.publish(message.to_bytes())
            sent.append(message.header.stamp_ns)
            for topic, end in ends.items():
                if (heard := end.take(0.01)) is not None:
                    bag.write(connections[topic], time.time_ns(), heard)
                    counts[topic] += 1
            return counts[masks] >= 10 and min(counts.values()) >= 1

        until(record, 60)
        running.lines(5)
        ended = running.end(signal.SIGINT)
    node.close()
    assert (ended.code, "Traceback" in ended.errors) == (0, False), ended.errors
    expected = toy_mask(np.asarray(picture, np.uint8))
    with rosbag2.Reader(tmp_path / "bag") as bag:
        read = [(c.topic, release.deserialize_cdr(data, c.msgtype)) for c, _, data in bag.messages()]
    assert {topic: sum(name == topic for name, _ in read) for topic in kinds} == counts
    for topic, message in read:
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if topic in (masks, f"{masks}/confidence"):
            assert stamp_ns in sent
            assert (message.header.frame_id, message.encoding) == ("front", "mono8")
        if topic == masks:
            assert np.array_equal(message.data.reshape(32, 48), expected)
        elif topic == f"{masks}/confidence":
            assert np.array_equal(message.data.reshape(32, 48), picture.max(axis=2))
        else:
            assert message.status[0].hardware_id == f"ros2://{camera}"
