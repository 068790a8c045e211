"""Cameras on the network: RTSP and whatever else FFmpeg reads, MJPEG over HTTP, and files behind http://."""

from __future__ import annotations

import cv2

from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.capture.opencv import CaptureSource, silence
from edgeunet.camera.sources.network.http import HttpReply, ask
from edgeunet.camera.sources.network.mjpeg import MjpegSource
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.video.video_file import open_url
from edgeunet.errors import SourceError
from edgeunet.utils.redaction import login_letters

NETWORK_TIMEOUT_MS = 5_000  # OpenCV waits 30 s by default


def open_stream(address: Address) -> Source:
    """Open a stream; a file behind http:// is not live. Raises SourceError if it cannot be reached or decoded."""
    reply = ask(address, NETWORK_TIMEOUT_MS / 1000) if address.target.startswith("http") else None
    if reply is not None:
        try:
            if reply.boundary is not None:
                return MjpegSource(reply.response, reply.boundary, address.name)
        except BaseException:
            reply.response.close()
            raise
        reply.response.close()
        if reply.finite:
            return _file(address, reply)
    silence()
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
    if hasattr(cv2, "CAP_PROP_N_THREADS"):  # since 4.6
        # FFmpeg's decoder holds back a frame for each further thread: for H.264 at 30 fps on loopback the age was 37 ms
        # with 1 thread, 71 ms with 2 (OpenCV's choice on 2 cores), 137 ms with 4.
        options += [cv2.CAP_PROP_N_THREADS, 1]
    capture = cv2.VideoCapture()
    if not capture.open(reply.url if reply else address.target, cv2.CAP_FFMPEG, options):
        raise SourceError(
            f"{address.name} cannot be opened: check address, network and password{login_letters(address.target)}"
        )
    if reply is not None and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:  # an undeclared file
        capture.release()
        return _file(address, reply)
    return CaptureSource(capture, address.name)


def _file(address: Address, reply: HttpReply) -> Source:
    return open_url(reply.url, address.name, NETWORK_TIMEOUT_MS / 1000, ranges=reply.ranges)
