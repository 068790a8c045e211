"""A topic as a camera: one suite for Cyclone DDS over loopback and for a FAKE of rclpy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.ros2.messages import COMPRESSED_IMAGE, DIAGNOSTICS, IMAGE, CompressedImage, Image
from edgeunet.camera.ros2.transport import Node, Publication
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.network import ros2_topic
from edgeunet.camera.sources.opening import open_address, open_steady
from edgeunet.camera.sources.source import Source, UnusableError
from edgeunet.errors import SourceError
from edgeunet.spec import BGR, PixelFormat
from tests.camera.ros2.network import image_of, new_topic, until
from tests.fakes import rclpy

SECOND = 1_000_000_000
PICTURE = np.arange(24 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(24, 32, 3)
NewNode = Callable[[], Node]


@pytest.fixture
def lines() -> list[str]:
    return []


@contextmanager
def publishing(publication: Publication, made: Callable[[int], bytes], every_s: float = 0.02) -> Iterator[None]:
    """Publish messages, by their number, while the block runs."""
    ended = threading.Event()

    def work() -> None:
        number = 0
        while not ended.wait(every_s):
            publication.publish(made(number))
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def opened(topic: str, lines: list[str], pixels: PixelFormat = BGR) -> Source:
    return open_address(Address.parse(f"ros2://{topic}"), pixels, lines.append)


def frame_of(source: Source) -> Frame:
    frame = source.read()
    assert frame is not None
    return frame


def test_frames_come_with_stamp_and_frame_id(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    with opened(topic, lines) as source, publishing(publication, lambda n: image_of(PICTURE).to_bytes()):
        before = time.time_ns()
        frames = [frame_of(source) for _ in range(5)]
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]
    assert source.live
    assert source.size == (24, 32)
    for frame in frames:
        assert np.array_equal(frame.pixels, PICTURE)
        assert frame.header is not None
        assert frame.header.frame_id == "front"
        # The same moment by both clocks.
        since_ns = time.perf_counter_ns() - frame.captured_ns
        assert abs(time.time_ns() - since_ns - frame.header.stamp_ns) < 20_000_000
        assert before - SECOND < frame.header.stamp_ns
    assert lines == []


def test_the_age_counts_from_the_stamp(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)

    def delayed(number: int) -> bytes:
        return image_of(PICTURE, stamp_ns=time.time_ns() - 2 * SECOND).to_bytes()

    with opened(topic, lines) as source, publishing(publication, delayed):
        age_ns = -frame_of(source).captured_ns + time.perf_counter_ns()
    assert 2 * SECOND <= age_ns < 4 * SECOND
    assert lines == []


def test_a_publisher_that_is_there_is_not_missed(
    new_node: NewNode, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while its images come nor in a pause; and when it ends, not at once: it may come back."""
    monkeypatch.setattr(ros2_topic, "LOOK_NS", SECOND // 20)
    monkeypatch.setattr(ros2_topic, "UNPUBLISHED_NS", SECOND // 2)
    topic, node = new_topic(), new_node()
    publication = node.advertise(topic, IMAGE)
    with opened(topic, lines) as source:
        with publishing(publication, lambda n: image_of(PICTURE).to_bytes(), 0.8):
            for _ in range(3):
                frame_of(source)
        node.close()
        ended = time.monotonic()
        with pytest.raises(SourceError, match="no node publishes on it"):
            all(iter(source.read, None))
        assert time.monotonic() - ended > 0.3


def test_each_reader_gets_the_newest_image(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    made = lambda n: image_of(np.full((2, 2, 1), n, np.uint8), "mono8").to_bytes()  # noqa: E731
    with opened(topic, lines, PixelFormat(1)) as source, publishing(publication, made, 0.005):
        frame_of(source)
        first = int(frame_of(source).pixels[0, 0, 0])
        time.sleep(0.3)
        second = int(frame_of(source).pixels[0, 0, 0])
    assert second - first > 10


@pytest.mark.parametrize(
    ("shift_s", "said"),
    [
        (-3600, " s in the past): the age"),
        (3600, " s in the future): the age"),
        (-(10**10), ": its images have no stamp: the age"),
    ],
)
def test_stamps_of_another_clock(new_node: NewNode, lines: list[str], shift_s: float, said: str) -> None:
    """The time of arrival counts, which is said once; the stamp stays for the mask."""
    topic, shift_ns = new_topic(), round(shift_s * SECOND)
    publication = new_node().advertise(topic, IMAGE)

    def shifted(number: int) -> bytes:
        return image_of(PICTURE, stamp_ns=max(0, time.time_ns() + shift_ns)).to_bytes()

    with opened(topic, lines) as source, publishing(publication, shifted):
        for _ in range(5):
            frame = frame_of(source)
            assert 0 <= time.perf_counter_ns() - frame.captured_ns < SECOND
            assert frame.header is not None
            assert abs(frame.header.stamp_ns - max(0, time.time_ns() + shift_ns)) < SECOND
    (line,) = lines
    assert said in line
    assert line.startswith(f"ros2://{topic}: its ")
    assert line.endswith("the age of a mask counts from the arrival of its image")


def test_a_clock_that_jumps(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)

    def jumping(number: int) -> bytes:
        shift = (0, 90, -90)[number // 10 % 3] * SECOND
        return image_of(PICTURE, stamp_ns=time.time_ns() + shift).to_bytes()

    with opened(topic, lines) as source, publishing(publication, jumping, 0.005):
        captured = [frame_of(source).captured_ns for _ in range(60)]
        now = time.perf_counter_ns()
    ages = [now - one for one in captured]
    assert captured == sorted(captured)
    assert 0 <= min(ages) <= max(ages) < 5 * SECOND
    assert len(lines) == 1


def test_two_publishers_are_told_once(new_node: NewNode, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ros2_topic, "LOOK_NS", 0)
    topic = new_topic()
    first, second = new_node().advertise(topic, IMAGE), new_node().advertise(topic, IMAGE)

    def small(number: int) -> bytes:
        return image_of(PICTURE[:8]).to_bytes()

    with (
        opened(topic, lines) as source,
        publishing(first, lambda n: image_of(PICTURE).to_bytes()),
        publishing(second, small),
    ):
        heights: set[int] = set()
        until(lambda: heights.add(frame_of(source).pixels.shape[0]) or len(heights) == 2)  # type: ignore[func-returns-value]
        until(lambda: bool(frame_of(source)) and bool(lines))
        frame_of(source)
    assert lines == [
        f"ros2://{topic}: 2 nodes publish on it, and their images alternate: give each its own topic",
    ]


@pytest.mark.parametrize(("most", "said"), [("1000\n", True), ("100000\n", False), ("", False)])
def test_a_buffer_that_is_too_small_is_told_once(
    new_node: NewNode, lines: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: str, *, said: bool
) -> None:
    (tmp_path / "rmem_max").write_text(most)
    monkeypatch.setattr(ros2_topic, "BUFFER", tmp_path / "rmem_max")
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    big = np.zeros((24, 32, 3), np.uint8)
    with opened(topic, lines) as source, publishing(publication, lambda n: image_of(big).to_bytes()):
        for _ in range(3):
            frame_of(source)
    expected = (
        f"ros2://{topic}: its images of 0.0 MB do not fit into the receive buffer of 0.0 MB, so that many may be lost: "
        "sudo sysctl -w net.core.rmem_max=16777216"
    )
    assert lines == ([expected] if said else [])


def test_nobody_publishes(new_node: NewNode, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ros2_topic, "LOOK_NS", SECOND // 10)
    monkeypatch.setattr(ros2_topic, "UNPUBLISHED_NS", SECOND // 2)
    with (
        opened(new_topic(), lines) as source,
        pytest.raises(SourceError, match="no node publishes on it: check its name with `ros2 topic list`, and that"),
    ):
        source.read()


def test_a_topic_of_another_type(new_node: NewNode, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ros2_topic, "LOOK_NS", SECOND // 10)
    monkeypatch.setattr(ros2_topic, "UNPUBLISHED_NS", SECOND)
    topic = new_topic()
    new_node().advertise(topic, DIAGNOSTICS)
    with opened(topic, lines) as source, pytest.raises(SourceError) as caught:
        source.read()
    assert str(caught.value) == (
        f"ros2://{topic}: its type is diagnostic_msgs/msg/DiagnosticArray, and sensor_msgs/msg/Image is expected: "
        "`ros2 topic list -t` shows the types of all"
    )


def test_it_waits_for_the_publisher_and_for_its_return(
    new_node: NewNode, lines: list[str], monkeypatch: pytest.MonkeyPatch, no_thread_is_left: None
) -> None:
    """As any live source: it is tried again, with a line for each try. It comes back with images of another size."""
    monkeypatch.setattr(ros2_topic, "LOOK_NS", SECOND // 10)
    monkeypatch.setattr(ros2_topic, "UNPUBLISHED_NS", SECOND // 2)
    topic = new_topic()
    source = open_steady(Address.parse(f"ros2://{topic}"), lines.append, stall_s=1.0)
    heights: list[int] = []

    def read() -> None:
        while (frame := source.read()) is not None:
            heights.append(frame.pixels.shape[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        until(lambda: any("no node publishes on it" in line and "(try 1)" in line for line in lines))
        for height in (24, 8):
            node = new_node()
            publication = node.advertise(topic, IMAGE)
            with publishing(publication, lambda n, height=height: image_of(PICTURE[:height]).to_bytes()):  # type: ignore[misc]
                until(lambda height=height: heights[-1:] == [height], 20)  # type: ignore[misc]
            node.close()
            if height == 24:
                until(lambda: "(try 1)" in lines[-1], 20)
    finally:
        source.close()
        reader.join(10)
    assert not reader.is_alive()
    assert source.reconnects == 2
    assert any("back after" in line for line in lines)


def test_an_encoding_that_is_not_read(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    bayer = replace(image_of(PICTURE[..., :1], "mono8"), encoding="bayer_rggb8").to_bytes()
    with (
        opened(topic, lines) as source,
        publishing(publication, lambda n: bayer),
        pytest.raises(UnusableError, match=f"ros2://{topic}: its images are 'bayer_rggb8', which is not read: image_p"),
    ):
        source.read()


def test_other_pixels_than_the_model_takes(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    deep = image_of(np.zeros((4, 4, 1), np.uint16), "mono16").to_bytes()
    with (
        opened(topic, lines) as source,
        publishing(publication, lambda n: deep),
        pytest.raises(UnusableError, match="delivers uint16"),
    ):
        source.read()


def test_messages_that_contradict_themselves_are_counted(new_node: NewNode, lines: list[str]) -> None:
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    good = image_of(PICTURE)

    def mixed(number: int) -> bytes:
        return (good if number % 2 else replace(good, height=1000)).to_bytes()

    with opened(topic, lines) as source, publishing(publication, mixed):
        frames = [frame_of(source) for _ in range(4)]
    assert source.corrupt > 0
    assert frames[-1].number == source.corrupt + 3


def test_bytes_that_are_no_message(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """rclpy hands over what was sent, unseen; Cyclone DDS drops it."""
    rclpy.install(monkeypatch)
    topic = new_topic()
    source: Any = opened(topic, lines)
    publication = source._node.advertise(topic, IMAGE)
    for data in (b"", b"\0\1\0\0", image_of(PICTURE).to_bytes()[:-1]):
        publication.publish(data)
        source._grab()
        assert source._retrieve() is None
    source.close()


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_compressed_images(new_node: NewNode, lines: list[str], ending: str) -> None:
    topic = new_topic("image_raw/compressed")
    publication = new_node().advertise(topic, COMPRESSED_IMAGE)
    smooth = cv2.resize(PICTURE[:2, :2], (32, 24))
    coded = memoryview(cv2.imencode(ending, smooth)[1].tobytes())
    header = image_of(PICTURE).header

    def made(number: int) -> bytes:
        data = coded if number % 2 else coded[: len(coded) // 2]
        return CompressedImage(replace(header, stamp_ns=time.time_ns()), "jpeg", data).to_bytes()

    with opened(topic, lines) as source, publishing(publication, made):
        frames = [frame_of(source) for _ in range(3)]
    assert source.corrupt > 0
    assert np.abs(frames[0].pixels.astype(int) - smooth.astype(int)).max() < 30
    assert frames[0].header is not None
    assert lines == []


def test_reading_ends_when_it_is_interrupted(new_node: NewNode, lines: list[str]) -> None:
    source = opened(new_topic(), lines)
    threading.Timer(0.2, source.interrupt).start()
    begin = time.monotonic()
    assert source.read() is None
    assert time.monotonic() - begin < 2
    source.close()


def test_a_fault_of_the_middleware(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bus = rclpy.install(monkeypatch)
    source = opened("/a", lines)
    bus.fault = RuntimeError("the context is invalid")
    with pytest.raises(SourceError, match="ros2:///a: the context is invalid"):
        source.read()
    source.close()
    bus.fault = RuntimeError("no network")
    with pytest.raises(SourceError, match=r"ros2:///a: ROS 2 does not start \(no network\)"):
        opened("/a", lines)


def test_frames_are_not_written_to(new_node: NewNode, lines: list[str]) -> None:
    """A frame is the message's own bytes, which NumPy guards."""
    topic = new_topic()
    publication = new_node().advertise(topic, IMAGE)
    with opened(topic, lines) as source, publishing(publication, lambda n: image_of(PICTURE).to_bytes()):
        pixels = frame_of(source).pixels
    assert not pixels.flags.writeable
    assert isinstance(Image.from_bytes(image_of(PICTURE).to_bytes()).data, memoryview)
