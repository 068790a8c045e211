"""The dialects in which cameras write one JPEG after the other."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.camera.sources.network import mjpeg
from edgeunet.camera.sources.network.mjpeg import MjpegSource, whole_jpeg
from edgeunet.errors import SourceError
from tests.camera.videos import number_of, numbered

HEAD = b"--frame\r\nContent-Type: image/jpeg\r\n"
PICTURES = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(6)]
SMALL = b"\xff\xe1\x00\x0a\xff\xd8\xff\xd9\r\n\xff\xd9"
JUNK = bytes((index * 37 + 11) % 256 for index in range(96))


class Camera(io.BytesIO):
    """A response that returns at most this number of bytes at once."""

    def __init__(self, data: bytes, at_once: int = 1 << 16) -> None:
        super().__init__(data)
        self._at_once = at_once

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(min(size or 0, self._at_once))


def numbers(data: bytes, at_once: int = 1 << 16, boundary: str = "frame") -> tuple[list[int], int]:
    """What the pictures say, and how many were corrupt."""
    found: list[int] = []
    source = MjpegSource(Camera(data, at_once), boundary, "camera")
    with pytest.raises(SourceError, match="ended after"):  # noqa: PT012
        while (frame := source.read()) is not None:
            found.append(number_of(frame.pixels))
    return found, source.corrupt


def length(jpeg: bytes, more: int = 0) -> bytes:
    return HEAD + f"Content-Length: {len(jpeg) + more}\r\n\r\n".encode()


DIALECTS: dict[str, Callable[[bytes], bytes]] = {
    "as it should be": lambda jpeg: length(jpeg) + jpeg + b"\r\n",
    "no length": lambda jpeg: HEAD + b"\r\n" + jpeg + b"\r\n",
    "neither length nor line break": lambda jpeg: HEAD + b"\r\n" + jpeg,
    "line feeds only": lambda jpeg: length(jpeg).replace(b"\r\n", b"\n") + jpeg + b"\n",
    "two dashes more": lambda jpeg: b"--" + length(jpeg) + jpeg + b"\r\n",
    "a closing boundary after each": lambda jpeg: length(jpeg) + jpeg + b"\r\n--frame--\r\n",
    "padding that is counted": lambda jpeg: length(jpeg, 96) + jpeg + bytes(96) + b"\r\n",
    "any bytes that are counted": lambda jpeg: length(jpeg, 96) + jpeg + JUNK + b"\r\n",
    "many bytes that are counted": lambda jpeg: length(jpeg, 9600) + jpeg + 100 * JUNK + b"\r\n",
    "bytes without a length": lambda jpeg: HEAD + b"\r\n" + jpeg + JUNK,
    "bytes that are not counted": lambda jpeg: length(jpeg) + jpeg + JUNK + b"\r\n",
    "bytes before the picture": lambda jpeg: length(jpeg, 96) + JUNK + jpeg + b"\r\n",
    "length too short": lambda jpeg: length(jpeg, -7) + jpeg + b"\r\n",
    "length far too short": lambda jpeg: length(jpeg, -len(jpeg) + 1) + jpeg + b"\r\n",
    "length 0": lambda jpeg: length(jpeg, -len(jpeg)) + jpeg + b"\r\n",
    "length too long": lambda jpeg: length(jpeg, 7) + jpeg + b"\r\n",
    "length just into the boundary": lambda jpeg: length(jpeg, 9) + jpeg + b"\r\n",
    "nothing in every second part": lambda jpeg: HEAD + b"\r\n\r\n" + length(jpeg) + jpeg + b"\r\n",
    "length into the next header": lambda jpeg: length(jpeg, 40) + jpeg + b"\r\n",
    "negative length": lambda jpeg: HEAD + b"Content-Length: -5\r\n\r\n" + jpeg + b"\r\n",
    "a length of 5,000 digits": lambda jpeg: HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + jpeg + b"\r\n",
    "a length in words": lambda jpeg: HEAD + "Content-Length: ²\r\n\r\n".encode() + jpeg + b"\r\n",
    "a small picture in the header": lambda jpeg: length(jpeg, len(SMALL)) + jpeg[:2] + SMALL + jpeg[2:] + b"\r\n",
    "text between the pictures": lambda jpeg: (
        length(jpeg) + jpeg + b"\r\n--frame\r\ncontent-type: Text/plain\r\n\r\nx=1\r\n"
    ),
    "pictures that are called text": lambda jpeg: length(jpeg).replace(b"image/jpeg", b"text/plain") + jpeg + b"\r\n",
    "the same without a length": lambda jpeg: HEAD + b"\r\n" + jpeg[:2] + SMALL + jpeg[2:] + b"\r\n",
}


@pytest.mark.parametrize("at_once", [1 << 16, 7])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_browser_shows_is_shown(dialect: str, at_once: int) -> None:
    data = b"".join(DIALECTS[dialect](jpeg) for jpeg in PICTURES) + b"--frame--\r\n"
    assert numbers(data, at_once) == (list(range(6)), 0)


@pytest.mark.parametrize("boundary", ["frame", "--frame", '"frame', "'frame'", "another"])
def test_boundary_may_be_written_otherwise(boundary: str) -> None:
    data = b"".join(DIALECTS["as it should be"](jpeg) for jpeg in PICTURES) + b"--frame\r\n"
    assert numbers(data, boundary=boundary.strip('"'))[0] == list(range(6))


def test_a_part_without_sense_is_one_corrupt_picture() -> None:
    good = [length(jpeg) + jpeg + b"\r\n" for jpeg in PICTURES]
    bad = [HEAD + b"\r\nno picture\r\n", HEAD + 100 * b"X: y\r\n" + b"\r\n", length(b"") + b"no picture\r\n"]
    data = b"".join(piece for pair in zip(good, [*bad, *bad], strict=True) for piece in pair)
    assert numbers(data + b"--frame\r\n") == (list(range(6)), 6)


def test_picture_that_was_cut_is_corrupt_and_takes_no_other_with_it() -> None:
    half = PICTURES[1][: len(PICTURES[1]) // 2]
    for cut in (length(half) + half + b"\r\n", HEAD + b"\r\n" + half, length(PICTURES[1]) + half + b"\r\n"):
        data = DIALECTS["as it should be"](PICTURES[0]) + cut + DIALECTS["as it should be"](PICTURES[2])
        assert numbers(data + 3 * DIALECTS["as it should be"](PICTURES[3]))[0][:1] == [0]
        assert numbers(data + 3 * DIALECTS["as it should be"](PICTURES[3]))[0][-2:] == [3, 3]
        assert 1 not in numbers(data)[0]


def test_pictures_that_never_can_be_decoded_are_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "FIRST_S", -1.0)
    with pytest.raises(SourceError, match="camera sends pictures, but none of 1 can be decoded"):
        MjpegSource(Camera(HEAD + b"\r\nno picture\r\n" + HEAD), "frame", "camera")


def test_whole_jpeg_is_found_between_anything() -> None:
    for before, behind in ((b"", b""), (JUNK, JUNK), (b"", bytes(9999))):
        assert whole_jpeg(before + PICTURES[0] + behind) == PICTURES[0]
        assert whole_jpeg(before + PICTURES[0][:-2]) is None


def always(data: bytes) -> Callable[[bytes], bytes]:
    return lambda jpeg: data


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(list(DIALECTS.values())) | st.binary(max_size=60).map(always), max_size=6),
    st.integers(1, 4000),
)
def test_whatever_is_sent_ends_in_pictures_and_one_error(parts: list[Callable[[bytes], bytes]], at_once: int) -> None:
    data = b"".join(part(jpeg) for part, jpeg in zip(parts, PICTURES, strict=False))
    try:
        found, _ = numbers(data, at_once)
    except SourceError:  # no picture at all
        return
    assert found == sorted(found)


@given(st.binary(max_size=200))
def test_whole_jpeg_takes_anything(data: bytes) -> None:
    found = whole_jpeg(b"\xff\xd8\xff" + data)
    assert found is None or found.endswith(b"\xff\xd9")
