"""Videos that were recorded sideways, upside down or mirrored are shown as FFmpeg shows them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edgeunet.imaging.letterbox import UInt8
from tests.camera.sources.video.test_video_file import frames_of, write

ONE = 1 << 16  # in the numbers of a display matrix


def as_turned(path: Path, target: Path, matrix: tuple[int, int, int, int]) -> None:
    """A copy of an MP4 whose track header has this matrix."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # behind version, flags, times, layer, volume: ISO/IEC 14496-12, 8.3.2
    a, b, c, d = matrix
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((ONE, 0, 0, ONE), lambda p: p),
        ((0, ONE, -ONE, 0), lambda p: np.rot90(p, -1)),
        ((-ONE, 0, 0, -ONE), lambda p: np.rot90(p, 2)),
        ((0, -ONE, ONE, 0), lambda p: np.rot90(p, 1)),
        ((-ONE, 0, 0, ONE), np.fliplr),
        ((ONE, 0, 0, -ONE), np.flipud),
        ((0, ONE, ONE, 0), lambda p: p.swapaxes(0, 1)),
        ((0, -ONE, -ONE, 0), lambda p: np.rot90(p, 2).swapaxes(0, 1)),
        ((46341, 46341, -46341, 46341), lambda p: p),
    ],
)
def test_pictures_stand_upright(tmp_path: Path, matrix: tuple[int, int, int, int], shown: object) -> None:
    stored: UInt8 = frames_of(write(tmp_path / "a.mp4"))[0].pixels
    as_turned(tmp_path / "a.mp4", tmp_path / "turned.mp4", matrix)
    assert callable(shown)
    np.testing.assert_array_equal(frames_of(tmp_path / "turned.mp4")[0].pixels, shown(stored))
