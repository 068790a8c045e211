"""Behind http://: pictures, files with an end, files that break off, and a login on its way."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest

from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import SourceError
from edgeunet.samples import CLIP
from tests.camera.sources.video.test_video_file import write
from tests.camera.videos import number_of, numbered

Get = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(get: Get) -> Iterator[str]:
    """A server that answers GET by a function. Gives host:port."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            get(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A viewer that left."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def file(data: bytes, *, kind: str = "video/mp4", sent: int | None = None, length: bool = True) -> Get:
    """The whole file, however often it is asked for; sent: bytes until the connection breaks."""

    def get(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        if length:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[:sent])

    return get


def count(url: str) -> int:
    with open_source(url) as source:
        assert not source.live
        return len(list(iter(source.read, None)))


@pytest.mark.parametrize(("name", "kind"), [("a.ts", "video/mp2t"), ("a.webm", "video/webm"), ("a.flv", "text/plain")])
def test_file_that_has_ended_has_ended(tmp_path: Path, name: str, kind: str) -> None:
    data = write(tmp_path / name, codec="libvpx" if name == "a.webm" else "libx264").read_bytes()
    with serving(file(data, kind=kind)) as host:
        assert count(f"http://{host}/{name}") == 20
        assert count(f"HTTP://{host}/some%20camera?id=1 2") == 20


@pytest.mark.parametrize("name", ["a.ts", "a.webm", "a.mp4", "a.mkv", "a.avi"])
def test_file_that_breaks_off_is_an_error(tmp_path: Path, name: str) -> None:
    options = {"movflags": "faststart"} if name == "a.mp4" else {}
    codec = {"a.webm": "libvpx", "a.avi": "mpeg4"}.get(name, "libx264")
    data = write(tmp_path / name, [n / 25 for n in range(200)], codec=codec, options=options).read_bytes()
    with (
        serving(file(data, sent=len(data) * 3 // 4)) as host,
        pytest.raises(SourceError, match=r"broke off|damaged|cut"),
    ):
        count(f"http://{host}/{name}")


def test_index_at_the_end_behind_a_server_without_ranges_is_named(tmp_path: Path) -> None:
    import av

    last = tmp_path / "last.mp4"  # the index is written last where nothing else is asked for
    with av.open(str(CLIP)) as whole, av.open(str(last), "w") as container:
        stream = container.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    with (
        serving(file(last.read_bytes())) as host,
        pytest.raises(SourceError, match=r"does not send parts of a file.*faststart") as caught,
    ):
        count(f"http://{host}/last.mp4")
    assert "H.264" not in str(caught.value)


def test_picture_is_one_picture_whatever_its_address() -> None:
    jpeg = cv2.imencode(".jpg", numbered(7))[1].tobytes()
    with serving(file(jpeg, kind="image/jpeg")) as host:
        for path in ("snap.jpg", "snap.jpg?x=1", "snap"):
            with open_source(f"http://{host}/{path}") as source:
                frames = list(iter(source.read, None))
            assert [number_of(frame.pixels) for frame in frames] == [7]


def camera(seen: list[str | None], *, moved_to: Callable[[str], str], login: str) -> Get:
    """/cam redirects; /live asks for a login and shows pictures. seen: the login of each request."""
    jpeg = cv2.imencode(".jpg", numbered(3))[1].tobytes()
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    def get(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("Authorization"))
        if request.path == "/cam":
            request.send_response(302)
            request.send_header("Location", moved_to(request.headers["Host"]))
        elif request.headers.get("Authorization") != wanted:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
        else:
            request.send_response(200)
            request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            request.end_headers()
            for _ in range(3):
                request.wfile.write(b"--frame\r\n\r\n" + jpeg + b"\r\n")
            return
        request.send_header("Content-Length", "0")
        request.end_headers()

    return get


@pytest.mark.parametrize("moved_to", [lambda host: "/live", lambda host: f"http://{host}/live"])
def test_login_goes_along_with_a_redirect_on_its_own_server(moved_to: Callable[[str], str]) -> None:
    with (
        serving(camera([], moved_to=moved_to, login="me:S3 crt")) as host,
        open_source(f"http://me:S3 crt@{host}/cam") as source,
    ):
        frame = source.read()
        assert frame is not None
        assert number_of(frame.pixels) == 3
        assert "crt" not in source.name


def test_login_never_goes_to_another_server() -> None:
    seen: list[str | None] = []
    with serving(camera(seen, moved_to=lambda host: "/live", login="me:secret")) as other:
        first = camera([], moved_to=lambda host: f"http://{other}/live", login="me:secret")
        with serving(first) as host, pytest.raises(SourceError, match="answers 401"):
            open_source(f"http://me:secret@{host}/cam")
    assert seen == [None]


@pytest.mark.parametrize("login", ["me:S3#crt", "me:S3/crt", "me:S3?crt"])
def test_letters_that_a_login_must_not_hold_are_named_and_nothing_of_it_is_shown(login: str) -> None:
    for scheme in ("http", "rtsp"):
        with pytest.raises(SourceError, match="write # as %23") as caught:
            open_source(f"{scheme}://{login}@127.0.0.1:9/x")
        assert "S3" not in str(caught.value)
        assert "crt" not in str(caught.value)


def test_proxy_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"through the proxy in http_proxy: set no_proxy=camera to go without"):
        open_source("http://camera/video")


def test_file_of_which_the_server_says_no_length_is_a_file(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mp4", options={"movflags": "faststart"}).read_bytes()
    with serving(file(data, length=False)) as host:
        assert count(f"http://{host}/a.mp4") == 20
