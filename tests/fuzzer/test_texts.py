"""Texts of users and of other programs end in a value or in one of our errors, whatever stands in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edgeunet.board.sensors import tegrastats
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.sources.address import Address
from edgeunet.errors import EdgeUNetError
from edgeunet.training.progress import seconds_from_text
from edgeunet.utils.limits import size_from_text
from edgeunet_bench.measure.run_command import words_of
from edgeunet_export.calibration.table_file import TensorRTVersion, read_table
from tests.fuzzer.arguments import VALUES
from tests.fuzzer.mutations import changed_text

CACHE = "TRT-100300-EntropyCalibration2\nframe: 40008912\nlogits: 3d0b7086\n"
LINE = (
    "05-14-2024 12:00:00 RAM 3036/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) CPU [10%@1510,off,5%@729] "
    "EMC_FREQ 3%@2133 GR3D_FREQ 0%@[305,305] cpu@48.5C gpu@-256C VDD_IN 4924mW/4924mW VDD_SOC 1200mW/1100mW"
)
ADDRESSES = (
    *("0", "/dev/video0", "v4l2:///dev/video0?width=1280&height=720&fps=30&fourcc=MJPG", "csi://0?width=1&height=1"),
    *("rtsp://user:pa%40ss@10.0.0.5:554/front?token=abc", "http://u:p@h/x", "file:///x", "udp://@239.0.0.1:1234"),
    *("gst:videotestsrc ! appsink", "synthetic://?width=64&height=48&fps=30&seconds=1", "C:\\x.mp4", "a.mp4"),
)


def _read_cache(text: str, folder: Path) -> None:
    path = folder / "m.cache"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    read_table(path)


READERS: dict[str, tuple[Callable[[str, Path], object], tuple[str, ...]]] = {
    "address": (lambda text, _: Address.parse(text).name, ADDRESSES),
    "host and port": (lambda text, _: HostPort.parse(text, "127.0.0.1"), ("8080", "[fe80::1%eth0]:80", "a.example:1")),
    "size": (lambda text, _: size_from_text(text), ("256x320",)),
    "time": (lambda text, _: seconds_from_text(text), ("90m", "600s", "1.5h")),
    "command": (lambda text, _: words_of(text), ("sh -c 'echo 1'",)),
    "version": (lambda text, _: TensorRTVersion.parse(text), ("10.3.0.30", "10.3")),
    "calibration table": (_read_cache, (CACHE,)),
    "tegrastats": (lambda text, _: tegrastats.parse(text), (LINE,)),
}


@pytest.mark.parametrize("name", READERS)
def test_any_text_ends_in_a_value_or_in_our_error(name: str, tmp_path: Path) -> None:
    read, texts = READERS[name]
    for text in texts:
        read(text, tmp_path)
    rng = random.Random(0)
    for _ in range(300):
        text = rng.choice((*texts, *texts, *VALUES))
        for _ in range(rng.randrange(3)):
            changed = changed_text(rng, text.encode("utf-8", "surrogateescape"))
            text = changed.decode("utf-8", "surrogateescape").replace("\0", "")
        with suppress(EdgeUNetError):  # and nothing else
            read(text, tmp_path)
