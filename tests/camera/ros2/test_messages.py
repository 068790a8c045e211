"""The bytes of messages, against rosbags, which knows the message files of ROS 2's releases."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2.messages import CompressedImage, DiagnosticArray, DiagnosticStatus, Image
from tests.camera.ros2.network import image_of

typesys = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
RELEASES = [typesys.get_typestore(store) for store in (typesys.Stores.ROS2_HUMBLE, typesys.Stores.ROS2_JAZZY)]

texts = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
headers = some.builds(FrameHeader, some.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1), texts)
blocks = some.binary(max_size=40).map(lambda data: memoryview(data))
u32 = some.integers(0, 2**32 - 1)
images = some.builds(Image, headers, u32, u32, texts, some.integers(0, 1), u32, blocks)
compressed = some.builds(CompressedImage, headers, texts, blocks)
pairs = some.lists(some.tuples(texts, texts), max_size=3).map(tuple)
statuses = some.builds(DiagnosticStatus, some.integers(0, 3), texts, texts, texts, pairs)
arrays = some.builds(DiagnosticArray, headers, some.lists(statuses, max_size=3).map(tuple))
messages = some.one_of(images, compressed, arrays)
NAMES = {
    Image: "sensor_msgs/msg/Image",
    CompressedImage: "sensor_msgs/msg/CompressedImage",
    DiagnosticArray: "diagnostic_msgs/msg/DiagnosticArray",
}
Message = Image | CompressedImage | DiagnosticArray


@given(messages)
def test_rosbags_reads_the_bytes_and_writes_the_same(message: Message) -> None:
    data = message.to_bytes()
    for release in RELEASES:
        read = release.deserialize_cdr(data, NAMES[type(message)])
        assert bytes(release.serialize_cdr(read, NAMES[type(message)])) == data


@given(messages)
def test_the_bytes_of_either_order_are_read(message: Message) -> None:
    (release, _), name = RELEASES, NAMES[type(message)]
    read = release.deserialize_cdr(message.to_bytes(), name)
    for little in (True, False):
        assert type(message).from_bytes(bytes(release.serialize_cdr(read, name, little_endian=little))) == message


def test_rosbags_finds_each_field() -> None:
    image = image_of(np.arange(24, dtype=np.uint8).reshape(2, 4, 3), "rgb8", stamp_ns=5_000_000_007, pad=4)
    read: Any = RELEASES[0].deserialize_cdr(image.to_bytes(), NAMES[Image])
    stamp = read.header.stamp
    assert (stamp.sec, stamp.nanosec, read.header.frame_id) == (5, 7, "front")
    assert (read.height, read.width, read.encoding, read.step) == (2, 4, "rgb8", 16)
    assert (read.is_bigendian, bytes(read.data)) == (0, bytes(image.data))
    status = DiagnosticStatus(2, "name", "message", "id", (("a", "1"), ("b", "2")))
    data = DiagnosticArray(FrameHeader(0, ""), (status,)).to_bytes()
    (one,) = RELEASES[0].deserialize_cdr(data, NAMES[DiagnosticArray]).status
    assert (one.level, one.name, one.message, one.hardware_id) == (2, "name", "message", "id")
    assert [(pair.key, pair.value) for pair in one.values] == [("a", "1"), ("b", "2")]


@given(messages, some.data())
def test_bytes_that_are_cut_or_changed_are_refused_or_read(message: Message, chosen: some.DataObject) -> None:
    """By a ValueError, never by another one, nor by allocating what a wrong length says."""
    data = bytearray(message.to_bytes())
    cut = data[: chosen.draw(some.integers(0, len(data) - 1))]
    if len(data) - len(cut) > 3:  # or only padding may be missing
        with pytest.raises(ValueError):
            type(message).from_bytes(bytes(cut))
    data[chosen.draw(some.integers(0, len(data) - 1))] = chosen.draw(some.integers(0, 255))
    with suppress(ValueError):
        type(message).from_bytes(bytes(data))


@pytest.mark.parametrize("read", [Image.from_bytes, CompressedImage.from_bytes, DiagnosticArray.from_bytes])
def test_a_list_that_claims_to_be_long(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(ValueError, match="ends early"):
        read(b"\0\1\0\0" + bytes(8) + struct.pack("<I", 0xFFFF_FFFF) + bytes(64))


def test_a_nul_ends_a_text() -> None:
    read = Image.from_bytes(Image(FrameHeader(0, "a\0b"), 0, 0, "", 0, 0, memoryview(b"")).to_bytes())
    assert read.header.frame_id == "a"


def test_reading_pixels_copies_nothing() -> None:
    data = image_of(np.zeros((4, 4, 3), np.uint8)).to_bytes()
    assert np.shares_memory(np.frombuffer(data, np.uint8), np.asarray(Image.from_bytes(data).data))
