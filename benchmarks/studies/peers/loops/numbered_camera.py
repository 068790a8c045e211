"""A camera on the network: the clip's frames over HTTP, 30 per second, each with its number and time in its pixels."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.stamp import write_stamp
from edgeunet.imaging.pixels import UInt8

FPS = 30
KEPT_FRAMES = 60  # in memory, played again and again: decoding costs the machine nothing during a trial
_QUALITY = [int(cv2.IMWRITE_JPEG_QUALITY), 90]


class NumberedCamera:
    """Serves MJPEG on loopback from its opening to its end, to whoever connects; url is its address.

    frozen: while set, it sends nothing and keeps the connection, as a camera does that hangs.
    """

    def __init__(self, clip: Path) -> None:
        with open_source(str(clip)) as source:
            read = (source.read() for _ in range(KEPT_FRAMES))
            self._frames: list[UInt8] = [np.asarray(frame.pixels, np.uint8) for frame in read if frame is not None]
        self.frozen = threading.Event()
        self._ended = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    camera._send(self.wfile)
                except OSError:  # who watched has left
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/video.mjpg"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> NumberedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _send(self, stream: Any) -> None:
        """Frames by the clock; one that is late is not made up for."""
        due, number = time.perf_counter(), 0
        while not self._ended.is_set():
            if self.frozen.is_set():
                time.sleep(1 / FPS)
                continue
            frame = self._frames[number % len(self._frames)].copy()
            write_stamp(frame, number, time.perf_counter_ns())
            _, jpeg = cv2.imencode(".jpg", frame, _QUALITY)
            stream.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % jpeg.size)
            stream.write(jpeg.tobytes() + b"\r\n")
            number += 1
            due = max(due + 1 / FPS, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
