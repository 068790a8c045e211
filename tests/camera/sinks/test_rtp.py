from __future__ import annotations

import socket
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.sinks.rtp import streaming_rtp
from edgeunet.errors import OutputError
from tests.camera.shots import shot_of
from tests.camera.videos import SIZE, number_of, numbered

ENOUGH = 10  # frames


def free_port() -> int:
    """A UDP port that is free, and the one above it, which RTCP takes, too."""
    for port in range(20_000, 60_000, 2):
        with socket.socket(type=socket.SOCK_DGRAM) as rtp, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
            try:
                rtp.bind(("127.0.0.1", port))
                rtcp.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Viewer(threading.Thread):
    """FFmpeg, opened with the SDP file as a player would."""

    def __init__(self, sdp: Path) -> None:
        super().__init__(daemon=True)
        self._sdp = sdp
        self.seen = threading.Event()
        self.numbers: list[int] = []
        self.sizes: set[tuple[int, int]] = set()

    def run(self) -> None:
        options = {"protocol_whitelist": "file,udp,rtp", "fflags": "nobuffer"}
        with av.open(str(self._sdp), options=options, timeout=30.0) as container:
            for frame in container.decode(video=0):
                self.numbers.append(number_of(frame.to_ndarray(format="bgr24")))
                self.sizes.add((frame.height, frame.width))
                if len(self.numbers) == ENOUGH:
                    self.seen.set()
                    return


def test_a_player_that_comes_late_opens_the_sdp_file_and_sees_the_frames(tmp_path: Path) -> None:
    said: list[str] = []
    sdp = tmp_path / "stream.sdp"
    with streaming_rtp(HostPort("127.0.0.1", free_port()), sdp, 30.0, said.append) as sink:
        for number in range(5):  # nobody receives these
            sink.write(shot_of(numbered(number), number / 30))
        viewer = Viewer(sdp)
        viewer.start()
        number = 5
        while not viewer.seen.wait(1 / 60) and number < 3000:  # frames at a pace that UDP's buffers can take
            sink.write(shot_of(numbered(number % 256), number / 30))
            number += 1
    assert viewer.seen.is_set()
    steps = np.diff(viewer.numbers) % 256
    assert (steps == 1).all()
    assert viewer.sizes == {SIZE}
    assert f"ffplay -protocol_whitelist file,udp,rtp -fflags nobuffer {sdp}" in said[0]


def test_a_host_that_is_not_known_is_one_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"the host no-such-host.invalid is not known"),
        streaming_rtp(HostPort("no-such-host.invalid", 5004), tmp_path / "s.sdp", 30.0, list[str]().append),
    ):
        pytest.fail("entered")
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_the_file_it_goes_on_and_says_what_would_stand_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    other = tmp_path / "edgeunet.sdp"
    other.write_text("somebody else's")
    for sdp in (tmp_path / "file" / "s.sdp", other):
        said: list[str] = []
        with streaming_rtp(HostPort("127.0.0.1", free_port()), sdp, 30.0, said.append) as sink:
            sink.write(shot_of(numbered(0)))
        assert said[0].startswith(f"--rtp continues without the file {sdp} (")
        assert said[1].startswith("v=0\n")
        assert "m=video" in said[1]
    assert other.read_text() == "somebody else's"


def test_an_older_file_of_ours_is_replaced(tmp_path: Path) -> None:
    sdp = tmp_path / "edgeunet.sdp"
    for _ in range(2):
        with streaming_rtp(HostPort("127.0.0.1", free := free_port()), sdp, 30.0, list[str]().append):
            assert f"m=video {free} " in sdp.read_text()
