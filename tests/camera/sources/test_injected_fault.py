from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.injected_fault import InjectedFault
from edgeunet.camera.sources.opening import open_address, open_source
from edgeunet.camera.sources.source import Source
from edgeunet.spec import BGR, PixelFormat

SIZE = "width=320&height=240"


def frames_of(source: Source) -> list[Frame]:
    with source:
        return list(iter(source.read, None))


def opened(options: str) -> Source:
    """Six frames."""
    address = Address.parse(f"synthetic://?{SIZE}&fps=0&seconds=0.2&{options}")
    return open_address(address, PixelFormat(1, deep=True) if "thermal" in options else BGR)


@pytest.mark.parametrize("pixels", ["bgr", "thermal"])
@pytest.mark.parametrize("kind", ["freeze", "black", "white", "cover", "blur"])
def test_a_fault_begins_and_ends_with_its_frames(kind: str, pixels: str) -> None:
    good, bad = frames_of(opened(f"pixels={pixels}")), frames_of(opened(f"pixels={pixels}&fault={kind}:2:4"))
    scene = slice(0, 150)  # above the stamp
    same = [bool((g.pixels[scene] == b.pixels[scene]).all()) for g, b in zip(good, bad, strict=True)]
    assert same == [True, True, False, False, True, True]
    assert {(frame.pixels.dtype, frame.pixels.shape) for frame in good} == {
        (frame.pixels.dtype, frame.pixels.shape) for frame in bad
    }


def test_each_fault_is_what_its_name_says() -> None:
    freeze, black, white, cover, blur = (
        [f.pixels for f in frames_of(opened(f"fault={k}:2:4"))] for k in ("freeze", "black", "white", "cover", "blur")
    )
    assert [bool((picture == freeze[1]).all()) for picture in freeze] == [False, True, True, True, False, False]
    assert (black[2].max(), white[2].min()) == (0, 255)
    assert np.ptp(cover[2], axis=(0, 1)).max() <= 8 < np.ptp(cover[1])
    assert cv2.Laplacian(blur[2], cv2.CV_64F).std() < cv2.Laplacian(blur[1], cv2.CV_64F).std() / 10


def test_a_stall_leaves_out_its_frames() -> None:
    frames = frames_of(open_source(f"synthetic://?{SIZE}&fps=50&seconds=0.3&fault=stall:2:9"))
    assert not {2, 3, 4, 5, 6, 7, 8} & {frame.number for frame in frames}
    assert max(np.diff([frame.captured_ns for frame in frames])) >= 7 / 50 * 1e9


def test_an_address_names_it() -> None:
    assert Address.parse("synthetic://?fault=blur:10:20").fault == InjectedFault("blur", 10, 20)
