"""Streams from real servers on loopback, and what faults do to them."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.sources.network import stream
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.video.video_file import open_url
from edgeunet.errors import SourceError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import CLIP
from tests.camera.servers import MjpegServer, RtspServer, file_server, require_rtsp, serving
from tests.camera.sources.video.test_video_file import write
from tests.camera.videos import SIZE, number_of, numbered


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    with MjpegServer() as server:
        yield server


def jpeg(pixels: UInt8) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def gigantic(data: bytes) -> bytes:
    """A JPEG whose header claims 65500×65500 pixels."""
    sides = data.index(b"\xff\xc0") + 5
    return data[:sides] + b"\xff\xdc" * 2 + data[sides + 4 :]


def read(source: Source) -> Frame:
    frame = source.read()
    assert frame is not None
    return frame


@pytest.mark.parametrize("lengths", [True, False])
def test_every_picture_of_mjpeg_comes_in_order(lengths: bool) -> None:
    with MjpegServer(lengths=lengths) as server:
        for number in range(20):
            server.show(numbered(number))
        with open_source(server.url) as source:
            assert (source.live, source.size, source.frame_count) == (True, SIZE, None)
            frames = [read(source) for _ in range(20)]
    assert [frame.number for frame in frames] == list(range(20))
    assert [number_of(frame.pixels) for frame in frames] == list(range(20))
    stamps = [frame.captured_ns for frame in frames]
    assert stamps == sorted(stamps)


def test_picture_is_there_as_soon_as_it_was_sent(server: MjpegServer) -> None:
    """Not only when the next one comes, as with a parser that waits for the boundary behind it."""
    server.show(numbered(0))
    with open_source(server.url) as source:
        assert number_of(read(source).pixels) == 0
        server.show(numbered(1))
        assert number_of(read(source).pixels) == 1


def test_damaged_pictures_and_garbage_are_skipped_and_counted(
    server: MjpegServer, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = jpeg(numbered(1))
    noise = np.random.default_rng(0).bytes(5000)
    server.show_data(noise)  # even the very first
    server.show(numbered(0))
    server.show_data(whole[: len(whole) // 2])  # FFmpeg would give it with a grey half
    server.show_data(noise)
    server.show_data(gigantic(whole))
    server.send(noise)  # between two pictures
    server.show(numbered(2))
    with open_source(server.url) as source:
        frames = [read(source), read(source)]
    assert [number_of(frame.pixels) for frame in frames] == [0, 2]
    assert [frame.number for frame in frames] == [1, 5]
    assert source.corrupt == 4
    assert capfd.readouterr().err == ""


def test_picture_that_was_cut_does_not_take_the_next_one_with_it() -> None:
    with MjpegServer(lengths=False) as server:
        whole = jpeg(numbered(1))
        server.show(numbered(0))
        server.show_data(whole[: len(whole) // 2])
        server.show(numbered(2))
        with open_source(server.url) as source:
            assert [number_of(read(source).pixels) for _ in range(2)] == [0, 2]
            assert source.corrupt == 1


def test_nothing_but_damaged_pictures_is_a_fault(server: MjpegServer) -> None:
    server.show(numbered(0))
    with open_source(server.url) as source:
        read(source)
        for _ in range(301):  # the end of the last one is at the next
            server.show_data(b"no picture")
        with pytest.raises(SourceError, match="300 frames in a row cannot be decoded"):
            source.read()


def test_pictures_may_change_their_size(server: MjpegServer) -> None:
    server.show(numbered(3))
    server.show(numbered(4, (384, 512)))
    with open_source(server.url) as source:
        assert read(source).pixels.shape == (*SIZE, 3)
        assert source.size == SIZE
        assert read(source).pixels.shape == (384, 512, 3)
        assert source.size == (384, 512)


def test_stream_that_ends_or_falls_silent_is_an_error(server: MjpegServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.show(numbered(0))
    server.hang_up()
    with open_source(server.url) as source:
        read(source)
        with pytest.raises(SourceError, match="ended after 1 frames"):
            source.read()
    monkeypatch.setattr(stream, "NETWORK_TIMEOUT_MS", 200)
    server.show(numbered(0))
    with open_source(server.url) as source:
        read(source)
        with pytest.raises(SourceError, match="has stopped sending"):
            source.read()


def test_login_is_used_and_its_lack_is_an_error_without_the_password() -> None:
    with MjpegServer(login="me:se/cret") as server:
        url = server.url.replace("//", "//me:se%2Fcret@")
        server.show(numbered(5))
        with open_source(url) as source:
            assert "cret" not in source.name
            assert source.read() is not None
        for wrong in (server.url, server.url.replace("//", "//me:cretin@")):
            with pytest.raises(SourceError, match="answers 401 Unauthorized: check user and password") as caught:
                open_source(wrong)
            assert "cretin" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["Digest", "Negotiate"])
def test_login_of_another_scheme_is_an_error_too(scheme: str) -> None:
    with MjpegServer(login="me:secret", scheme=scheme) as server:
        for url in (server.url, server.url.replace("//", "//me:wrong@")):
            with pytest.raises(SourceError, match=r"answers 401 .*: check user and password"):
                open_source(url)


def test_video_file_behind_http_is_no_live_source() -> None:
    """Streams other than MJPEG go to FFmpeg, which sends a second request."""
    with file_server(CLIP.parent) as url, open_source(f"{url}/{CLIP.name}") as source:
        frame = source.read()
    assert frame is not None
    assert not source.live
    assert frame.pixels.shape == (540, 960, 3)


@contextmanager
def sending(pieces: Sequence[bytes], pause_s: float = 0.0) -> Iterator[str]:
    """Serve a body that does not say its length, in pieces; returns its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)
                time.sleep(pause_s)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
            pass

    with serving(Handler) as url:
        yield url


def test_body_without_a_length_is_whole_if_the_file_is(tmp_path: Path) -> None:
    """FFmpeg says of both that the connection broke."""
    data = write(tmp_path / "a.mkv", codec="ffv1").read_bytes()
    with sending([data]) as url, open_source(url) as source:
        assert len(list(iter(source.read, None))) == 20
    with (
        sending([data[: len(data) // 2]]) as url,
        open_source(url) as source,
        pytest.raises(SourceError, match=r"is damaged at frame \d+ of 20|is damaged at frame \d+: it is cut"),
    ):
        list(iter(source.read, None))


def test_file_may_come_slowly_as_long_as_it_comes(tmp_path: Path) -> None:
    """The time to wait is that without a byte, and not that of a picture."""
    data = write(tmp_path / "a.mkv", codec="ffv1").read_bytes()
    pieces = [data[at : at + len(data) // 8] for at in range(0, len(data), len(data) // 8)]
    with sending(pieces, pause_s=0.2) as url, open_url(url, "a.mkv", 1.0, ranges=True) as source:
        assert len(list(iter(source.read, None))) == 20


@pytest.mark.parametrize("url", ["http://[camera/video", "http://me:secret@camera:port/video", "http://"])
def test_address_that_http_cannot_read_is_an_error(url: str) -> None:
    with pytest.raises(SourceError, match=r"is not a valid|cannot be reached") as caught:
        open_source(url)
    assert "secret" not in str(caught.value)


def test_address_without_a_server_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with MjpegServer() as server:
        url = server.url
    with pytest.raises(SourceError, match=r"cannot be reached \(.*refused\)"):
        open_source(url)
    assert capfd.readouterr().err == ""


def test_rtsp_delivers_the_clip() -> None:
    require_rtsp()
    with RtspServer() as server, open_source(server.url) as source, open_source(str(CLIP)) as clip:
        assert (source.live, source.size, source.frame_count) == (True, (540, 960), None)
        for number in range(5):
            frame, original = source.read(), clip.read()
            assert frame is not None
            assert original is not None
            assert frame.number == number
            assert np.abs(frame.pixels.astype(int) - original.pixels).mean() < 2


def test_rtsp_server_that_is_killed_is_an_error() -> None:
    require_rtsp()
    with RtspServer() as server, open_source(server.url) as source:
        assert source.read() is not None
        server.kill()
        with pytest.raises(SourceError, match="stopped after"):  # noqa: PT012 - what had arrived is given first
            for _ in range(221):
                source.read()
        with pytest.raises(SourceError, match="cannot be opened"):
            open_source(server.url)


def h264(size: tuple[int, int], levels: range) -> bytes:
    """H.264 without a container: plain frames of these grey levels."""
    import av

    data = io.BytesIO()
    with av.open(data, "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), level, np.uint8), format="bgr24")
            frame.pts = level
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return data.getvalue()


def test_video_stream_that_changes_its_resolution_goes_on_at_the_first(tmp_path: Path) -> None:
    """FFmpeg, in OpenCV 5, scales what follows."""
    (tmp_path / "v.h264").write_bytes(h264((240, 320), range(60, 80)) + h264((480, 640), range(80, 100)))
    with file_server(tmp_path) as url, open_source(f"{url}/v.h264") as source:
        frames = [read(source) for _ in range(40)]
    levels = [round(float(frame.pixels.mean())) for frame in frames]
    assert levels[:20] == pytest.approx(list(range(60, 80)), abs=5)
    if int(cv2.__version__.partition(".")[0]) >= 5:  # older ones give the last picture again and again
        assert levels[20:] == pytest.approx(list(range(80, 100)), abs=5)
    assert {frame.pixels.shape for frame in frames} == {(240, 320, 3)}
