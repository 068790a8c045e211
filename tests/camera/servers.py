"""Real servers on loopback: RTSP, GStreamer's own in the system's Python, and MJPEG over HTTP, fed by the test."""

from __future__ import annotations

import base64
import functools
import queue
import shutil
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from sys import version_info
from types import TracebackType
from typing import Any

import cv2
import pytest

from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import CLIP

SYSTEM_PYTHON = "/usr/bin/python3"
# What else edgeunet needs there comes from here, after the system's own numpy and OpenCV.
OUR_PACKAGES = f"import sys; sys.path.append({sysconfig.get_path('platlib')!r})\n"
RTSP_PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
_RTSP = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
source = f'filesrc location="{sys.argv[2]}" ! qtdemux ! h264parse'
factory.set_launch(f"( {source} ! rtph264pay config-interval=-1 name=pay0 )")
server.get_mount_points().add_factory("/clip", factory)
assert server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""
_PROBE = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("qtdemux", "h264parse", "rtph264pay"))
"""


def require_rtsp() -> None:
    """Skip the test where the packages of the RTSP server are not there."""
    if not Path(SYSTEM_PYTHON).exists() or _system_python(_PROBE):
        pytest.skip(f"no RTSP server here: apt install {RTSP_PACKAGES}")


def require_gstreamer_opencv() -> None:
    """Skip the test where the system's Python has no OpenCV with GStreamer, or is of another version than this one."""
    if Path(SYSTEM_PYTHON).exists() and _system_python(
        f"import sys; assert sys.version_info[:2] == {version_info[:2]}"
    ):
        pytest.skip(f"{SYSTEM_PYTHON} is not {version_info[0]}.{version_info[1]}, of which this Python's packages are")
    probe = "import cv2; assert cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER)"
    if not shutil.which("gst-inspect-1.0") or not Path(SYSTEM_PYTHON).exists() or _system_python(probe):
        pytest.skip("no OpenCV with GStreamer here: apt install python3-opencv gstreamer1.0-tools")


def _system_python(code: str) -> int:
    return subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, check=False).returncode


class RtspServer:
    """Serves a video's H.264 in real time, from its start to everyone who connects."""

    def __init__(self, video: Path = CLIP) -> None:
        self._video = video
        self._port = "0"  # any that is free, and the same when it is started again
        self.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/clip"

    def start(self) -> None:
        command = [SYSTEM_PYTHON, "-c", _RTSP, self._port, str(self._video)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self._port = self._process.stdout.readline().strip()
        assert self._port.isdigit(), "the RTSP server does not start"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def freeze(self) -> None:
        """It keeps its connections and says nothing any more."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A viewer that left."""


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
        pass


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve a folder's files over HTTP. Gives the URL of the folder."""
    with serving(functools.partial(_Files, directory=str(folder))) as url:
        yield url


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests so. Gives the URL of the server."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class MjpegServer:
    """Sends what the test shows it to the one viewer that is connected.

    login: "user:password" that a viewer must give. scheme: what it is asked for with; only Basic is understood.
    lengths: whether each picture's length is sent before it.
    """

    def __init__(self, *, login: str = "", scheme: str = "Basic", lengths: bool = True) -> None:
        self._lengths = lengths
        self._pieces: queue.Queue[bytes | None] = queue.Queue()
        pieces, wanted = self._pieces, "Basic " + base64.b64encode(login.encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def do_GET(self) -> None:
                if login and self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", f'{scheme} realm="camera", nonce="1", qop="auth"')
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", 'multipart/x-mixed-replace; boundary="--frame"')
                self.end_headers()
                while (piece := pieces.get(timeout=30)) is not None:
                    self.wfile.write(piece)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/video"

    def show(self, pixels: UInt8) -> None:
        """Send a picture."""
        self.show_data(cv2.imencode(".jpg", pixels)[1].tobytes())

    def show_data(self, data: bytes) -> None:
        """Send this as if it were a picture."""
        length = f"Content-Length: {len(data)}\r\n" if self._lengths else ""
        self.send(b"--frame\r\nContent-Type: image/jpeg\r\n" + length.encode() + b"\r\n" + data + b"\r\n")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._pieces.put(data)

    def hang_up(self) -> None:
        """End the connection; the next one is served again."""
        self._pieces.put(None)

    def __enter__(self) -> MjpegServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
