"""Cameras on the network: RTSP and all else that FFmpeg reads, and MJPEG over HTTP."""

from __future__ import annotations

import cv2

from edgeunet.camera.address import Address
from edgeunet.camera.mjpeg import open_mjpeg
from edgeunet.camera.source import Source
from edgeunet.camera.video import VideoSource, silence
from edgeunet.errors import SourceError

NETWORK_TIMEOUT_MS = 5_000  # OpenCV waits 30 s by default


def open_stream(address: Address) -> Source:
    """Open a stream; a file behind http:// is not live. Raises SourceError if it cannot be reached or decoded."""
    web = address.target.lower().startswith("http")
    if web:
        mjpeg = open_mjpeg(address, NETWORK_TIMEOUT_MS / 1000)
        if mjpeg is not None:
            return mjpeg
    silence()
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
    if hasattr(cv2, "CAP_PROP_N_THREADS"):  # since 4.6
        # FFmpeg's decoder holds back a frame for each further thread: of H.264 at 30 frames a second on loopback
        # the age at the end was 37 ms with 1 thread, 71 ms with 2 (what OpenCV takes on 2 cores), 137 ms with 4.
        options += [cv2.CAP_PROP_N_THREADS, 1]
    capture = cv2.VideoCapture()
    if not capture.open(address.target, cv2.CAP_FFMPEG, options):
        raise SourceError(f"{address.name} cannot be opened: check address, network and password")
    live = not web or capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0  # a file behind http:// has a length
    return VideoSource(capture, address.name, live=live)
