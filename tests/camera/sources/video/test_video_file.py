"""Videos of many containers and codecs: what OpenCV reads right is read the same, and what it does not is read too."""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.camera.frame import Frame
from edgeunet.camera.sources.capture.opencv import silence
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.video.video_file import VideoFile
from edgeunet.errors import EdgeUNetError, MissingDependencyError, SourceError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import CLIP

FRAGMENTS = {"movflags": "frag_every_frame+empty_moov"}
WHOLE = [number / 25 for number in range(20)]


def write(
    path: Path | io.BytesIO,
    times_s: Sequence[float] = WHOLE,
    *,
    kind: str | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    size: tuple[int, int] = (64, 96),
    turned: int = 0,
    base: int = 25,
    options: dict[str, str] | None = None,
    **details: Any,
) -> Path:
    """A video of noise that moves; details: attributes of the encoder."""
    import av

    picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    picture = np.asarray(cv2.resize(picture[::8, ::8], size[::-1]), np.uint8)
    target = path if isinstance(path, io.BytesIO) else str(path)
    with av.open(target, "w", format=kind, container_options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, base)
        if codec == "libvpx":
            stream.codec_context.thread_count = 1  # its threads wait for each other by spinning
        for name, value in details.items():
            setattr(stream.codec_context, name, value)
        if turned:
            if not hasattr(stream, "set_display_rotation"):
                pytest.skip("this PyAV reads rotations, but writes none: 18 does")
            stream.set_display_rotation(turned)
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * number, axis=1), format="bgr24")
            frame.time_base, frame.pts = Fraction(1, base), round(time_s * base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path if isinstance(path, Path) else Path()


@contextmanager
def av_packets(path: Path) -> Iterator[list[Any]]:
    import av

    with av.open(str(path)) as container:
        yield [packet for packet in container.demux(video=0) if packet.size]


def frames_of(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        return list(iter(source.read, None))


def by_opencv(path: Path, count: int) -> list[UInt8]:
    silence()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found: list[UInt8] = []
    while len(found) < count and capture.grab():
        found.append(np.asarray(capture.retrieve()[1], np.uint8))
    capture.release()
    return found


def times_of(frames: Sequence[Frame]) -> list[float]:
    return [round(frame.time_s, 3) for frame in frames if frame.time_s is not None]


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("a.mp4", {}),
        ("full_range.mp4", {"pixels": "yuvj420p"}),
        ("range_named.mkv", {"color_range": 2}),
        ("bt709.mp4", {"colorspace": 1, "color_primaries": 1, "color_trc": 1}),
        ("bt601.mp4", {"colorspace": 6}),
        ("422.mp4", {"pixels": "yuv422p"}),
        ("444.mp4", {"pixels": "yuv444p"}),
        ("ten_bits.mp4", {"pixels": "yuv420p10le"}),
        ("odd.mkv", {"codec": "ffv1", "size": (61, 99)}),
        ("rgb.mkv", {"codec": "ffv1", "pixels": "bgr0"}),
        ("alpha.mkv", {"codec": "ffv1", "pixels": "bgra"}),
        ("grey.mkv", {"codec": "ffv1", "pixels": "gray"}),
        ("grey16.mkv", {"codec": "ffv1", "pixels": "gray16le"}),
        ("mjpeg.avi", {"codec": "mjpeg", "pixels": "yuvj422p"}),
        ("mpeg4.avi", {"codec": "mpeg4"}),
        ("vp8.webm", {"codec": "libvpx"}),
        ("vp9.webm", {"codec": "libvpx-vp9"}),
        ("hevc.mp4", {"codec": "libx265"}),
        ("a.ts", {}),
        ("a.flv", {}),
        ("a.mov", {}),
        ("mpeg2.mpg", {"codec": "mpeg2video"}),
        ("wmv2.asf", {"codec": "wmv2"}),
        ("raw.avi", {"codec": "rawvideo", "pixels": "bgr24"}),
        ("a.gif", {"codec": "gif", "pixels": "rgb8"}),
        ("quarter.mp4", {"turned": 90}),
        ("half.mp4", {"turned": 180}),
        ("three_quarters.mp4", {"turned": 270}),
        ("film.mjpeg", {"codec": "mjpeg", "pixels": "yuvj420p"}),
        ("raw.h264", {}),
        ("fragments.mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
    ],
)
def test_pixels_and_count_are_those_of_opencv(tmp_path: Path, name: str, details: dict[str, Any]) -> None:
    path = write(tmp_path / name, **details)
    frames, expected = frames_of(path), by_opencv(path, 20)
    assert len(frames) == len(expected) == 20
    for frame, pixels in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, pixels)
    with open_source(str(path)) as source:
        assert source.size == expected[0].shape[:2]
        assert source.frame_count in (20, None)


@pytest.mark.parametrize("codec", ["mpeg2video", "mpeg4"])
def test_interlaced_pictures_are_whole_pictures(tmp_path: Path, codec: str) -> None:
    """OpenCV 5 returns wrong lines for them."""
    plain = frames_of(write(tmp_path / "a.mkv", codec=codec, bit_rate=4_000_000))
    interlaced = frames_of(write(tmp_path / "b.mkv", codec=codec, bit_rate=4_000_000, flags=0x2004_0000))
    assert len(interlaced) == len(plain)
    for one, other in zip(plain, interlaced, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 8


def test_the_demos_clip_is_that_of_opencv() -> None:
    with open_source(str(CLIP)) as source:
        for pixels in by_opencv(CLIP, 30):
            frame = source.read()
            assert frame is not None
            np.testing.assert_array_equal(frame.pixels, pixels)


def test_av1_is_read(tmp_path: Path) -> None:
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    path = write(tmp_path / "a.mp4", codec="libsvtav1")
    # Of root, the encoder makes the thread that calls it one of real time, and so all programs that start later.
    os.sched_setscheduler(0, policy, priority)
    assert len(frames_of(path)) == 20


UNEVEN = [0.0, 0.033, 0.5, 0.51, 3.0, 3.04, 90.0, 3600.0]


@pytest.mark.parametrize(("name", "codec"), [("phone.mp4", "libx264"), ("screen.webm", "libvpx"), ("s.mkv", "mpeg4")])
def test_each_frame_keeps_its_own_time(tmp_path: Path, name: str, codec: str) -> None:
    frames = frames_of(write(tmp_path / name, UNEVEN, codec=codec, base=1000))
    assert times_of(frames) == pytest.approx(UNEVEN, abs=0.002)
    with open_source(str(tmp_path / name)) as source:
        assert source.frame_count in (len(UNEVEN), None)  # not what an average rate makes of an hour


def test_times_begin_with_the_first_frame_and_never_go_back(tmp_path: Path) -> None:
    late = write(tmp_path / "late.mkv", [7.0, 7.5, 8.0], base=1000)
    assert times_of(frames_of(late)) == [0.0, 0.5, 1.0]
    for count in (20, 100):
        once = write(tmp_path / "once.ts", [n / 25 for n in range(count)])
        (tmp_path / "twice.ts").write_bytes(2 * once.read_bytes())
        times = times_of(frames_of(tmp_path / "twice.ts"))
        assert len(times) == 2 * count
        assert all(before < after for before, after in itertools.pairwise(times))
        assert times[-1] == pytest.approx((2 * count - 1) / 25, abs=0.05)


def test_frames_that_are_stored_out_of_order_come_at_their_rate(tmp_path: Path) -> None:
    times = times_of(frames_of(write(tmp_path / "a.avi", [n / 25 for n in range(100)])))
    assert all(before < after for before, after in itertools.pairwise(times))
    assert times == pytest.approx([n / 25 for n in range(100)], abs=0.121)


@pytest.mark.parametrize(
    "name", ["12:30:05.mp4", "a b#?%20.mp4", "%d.mp4", "[red]\n.mp4", "rtsp:", "caf\udce9.mp4", "-"]
)
def test_any_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_bytes(write(tmp_path / "a.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    for given_name in (name, f"./{name}", str(tmp_path / name)):
        with open_source(given_name) as source:
            assert source.name.encode()
            assert source.read() is not None


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.flv", "libx264"),
    ],
)
def test_video_that_is_cut_is_an_error(tmp_path: Path, name: str, codec: str) -> None:
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    data = write(tmp_path / name, [n / 25 for n in range(100)], codec=codec, options=options).read_bytes()
    for keep in (0.3, 0.6, 0.85):
        (tmp_path / f"cut_{name}").write_bytes(data[: round(len(data) * keep)])
        with pytest.raises(SourceError, match=r"is cut|is damaged at frame \d+.*--max-frames \d+|no picture .* cut"):
            frames_of(tmp_path / f"cut_{name}")


@pytest.mark.parametrize(
    ("name", "codec", "begin_s"), [("a.avi", "mpeg4", 0), ("a.avi", "rawvideo", 0), ("a.mkv", "ffv1", 7200)]
)
def test_last_pictures_that_lack_are_an_error_too(tmp_path: Path, name: str, codec: str, begin_s: int) -> None:
    """Where the file says how many bytes it has, no time is left for what may be wrong about its length; nor does it
    matter that its clock does not begin at 0, as in what was cut out of a day."""
    pixels = "bgr24" if codec == "rawvideo" else "yuv420p"
    path = write(tmp_path / name, [begin_s + time_s for time_s in WHOLE], codec=codec, pixels=pixels)
    whole = path.read_bytes()
    with av_packets(path) as packets:
        ends = [packet.pos + packet.size // 2 for packet in packets]  # in the middle of each
    for end in ends[-5:-2]:
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError, match=r"is damaged at frame 1\d of 20: it is cut there"):
            frames_of(path)


@pytest.mark.parametrize("size", [b"", b"\x01" + 7 * b"\xff"])
def test_length_in_seconds_that_is_too_long_is_no_damage(tmp_path: Path, size: bytes) -> None:
    """As tools write it behind a browser's recording of a screen that stood still at its end."""
    path = write(tmp_path / "a.webm", codec="libvpx")
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Duration, eight bytes of floating point, in ms
    data = data[:at] + struct.pack(">d", 9000.0) + data[at + 8 :]
    if size:
        at = data.index(b"\x18\x53\x80\x67") + 4  # the size of all, which nobody went back to write
        data = data[:at] + size + data[at + 8 :]
    path.write_bytes(data)
    assert len(frames_of(path)) == 20


def test_recording_that_may_end_anywhere_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    for name, options in (
        ("a.mp4", FRAGMENTS),
        ("a.mkv", {"live": "1"}),
        ("a.ts", {}),
    ):
        data = write(tmp_path / name, options=options, codec="mpeg4").read_bytes()
        (tmp_path / name).write_bytes(data[: round(len(data) * 0.8)])
        assert 1 <= len(frames_of(tmp_path / name)) < 20


def test_recording_in_fragments_may_be_cut_inside_the_header_of_one(tmp_path: Path) -> None:
    data = write(tmp_path / "a, b: c.mp4", options=FRAGMENTS, codec="mpeg4").read_bytes()
    first, second = (found.start() - 4 for found in [*re.finditer(b"moof", data)][:2])
    for end in range(second, second + 100, 6):
        (tmp_path / "a, b: c.mp4").write_bytes(data[:end])
        assert len(frames_of(tmp_path / "a, b: c.mp4")) == 1
    (tmp_path / "none.mp4").write_bytes(data[: first + 46])
    with pytest.raises(SourceError, match="no picture that can be decoded"):
        frames_of(tmp_path / "none.mp4")


def test_a_video_is_decoded_by_as_many_threads_as_there_are_cores_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (3, 3), (64, 8)):
        monkeypatch.setattr(
            "edgeunet.camera.sources.video.video_file.usable_cpus", lambda cores=cores: set(range(cores))
        )
        with open_source(str(CLIP)) as source:
            assert isinstance(source, VideoFile)
            assert source._stream.codec_context.thread_count == threads


def test_damage_in_the_middle_is_an_error_at_its_frame(tmp_path: Path) -> None:
    data = bytearray(CLIP.read_bytes())
    data[1_500_000:1_530_000] = bytes(30_000)
    (tmp_path / "hole.mp4").write_bytes(data)
    with open_source(str(tmp_path / "hole.mp4")) as source:
        frames = []
        with pytest.raises(SourceError, match=r"is damaged at frame 126 of 221: .* --max-frames 126"):  # noqa: PT012
            while (frame := source.read()) is not None:
                frames.append(frame)
    assert len(frames) == 126
    np.testing.assert_array_equal(frames[120].pixels, by_opencv(CLIP, 121)[-1])


def after_key_frame(path: Path, target: Path) -> None:
    """Copy a video without its first packets, as recorders cut it."""
    import av

    with av.open(str(path)) as whole, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(whole.streams.video[0])
        for index, packet in enumerate(whole.demux(whole.streams.video[0])):
            if index >= 3 and packet.size:
                packet.stream = stream
                container.mux(packet)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_frames_at_the_start_that_cannot_be_shown_are_no_damage(tmp_path: Path, kind: str, codec: str) -> None:
    if kind == "avi" and codec == "libx265":
        pytest.skip("FFmpeg writes no HEVC into AVI")
    options = {"libx264": {"x264-params": "keyint=8:open-gop=1:bframes=2"}, "mpeg4": {"g": "8"}}.get(
        codec, {"x265-params": "keyint=8:open-gop=1:bframes=2:log-level=none"}
    )
    path = tmp_path / f"whole.{kind}"
    write_with(path, codec, options)
    after_key_frame(path, tmp_path / f"cut.{kind}")
    assert 10 <= len(frames_of(tmp_path / f"cut.{kind}")) <= 20


def write_with(path: Path, codec: str, options: dict[str, str]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 10 * number, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def with_open_lengths(data: bytes) -> bytes:
    """An AVI as it is written to a pipe: the lengths are never filled in."""
    data = data[:4] + b"\xff" * 4 + data[8:]
    strh = data.index(b"strh") + 8
    data = data[: strh + 32] + b"\xff\xff\xff\x3f" + data[strh + 36 :]
    return data[: data.index(b"idx1")]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a.mp4", lambda data: data + b"GPS 51.5 N, no box at all" * 9),
        ("a.mp4", lambda data: data + b"\xff\xff\xff\xffabcd"),
        ("a.mkv", lambda data: data + b"trailer" * 30),
        ("a.avi", lambda data: data + b"RIFF\xff\xff\xff\xffAVIX"),
        ("a.avi", lambda data: data[:4] + bytes(4) + data[8:]),
        ("a.avi", lambda data: data[:4] + b"\xff" * 4 + data[8:]),
        ("a.avi", with_open_lengths),
    ],
)
def test_impossible_lengths_and_bytes_after_the_video_do_not_matter(
    tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path / name, codec="mpeg4")
    path.write_bytes(change(path.read_bytes()))
    assert len(frames_of(path)) == 20


def test_picture_that_claims_to_be_gigantic_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p")
    data = path.read_bytes()
    sides = data.index(b"\xff\xc0") + 5
    path.write_bytes(data.replace(data[sides : sides + 4], b"\xff\xdc" * 2))
    with pytest.raises(SourceError, match=r"claims 65500×65500 pixels|no picture that can be decoded"):
        frames_of(path)


def test_a_picture_that_is_no_video_and_a_missing_pyav_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.sdp").write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n")
    with pytest.raises(SourceError, match="describes a stream"):
        open_source(str(tmp_path / "a.sdp"))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"PyAV is not installed.*pip install 'edgeunet\[video\]'"):
        open_source(str(CLIP))


SMALL: dict[str, bytes] = {}


def small(kind: str) -> bytes:
    if kind not in SMALL:
        data = io.BytesIO()
        write(data, WHOLE[:4], kind=kind, codec="mpeg4", size=(16, 16))
        SMALL[kind] = data.getvalue()
    return SMALL[kind]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["mp4", "matroska", "avi", "mpegts"]),
    st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=8)), max_size=5),
    st.floats(0.01, 1),
)
def test_a_changed_file_ends_in_frames_or_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(small(kind))
    for at, piece in changes:
        begin = int(at * len(data))
        data[begin : begin + len(piece)] = piece
    path = tmp_path_factory.mktemp("changed") / "a.bin"
    path.write_bytes(data[: round(keep * len(data))])
    try:
        frames_of(path)
    except EdgeUNetError as error:
        assert "\n" not in str(error)  # noqa: PT017
