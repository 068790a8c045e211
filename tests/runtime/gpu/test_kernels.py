"""The kernels, compiled for the CPU, against their references bit for bit, and against OpenCV within 1."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels, level_tables
from edgeunet.runtime.gpu.kernels import ARGMAX, FIT, MAX_SIDE, PTX, fit_arguments, source
from edgeunet.samples import DATASET
from edgeunet.spec import BGR, Fit, PixelFormat
from edgeunet.utils.limits import SIDE
from tests.fakes.pycuda import FakeCuda
from tests.models import toy_spec
from tests.runtime.gpu import reference

ARCHITECTURES = ("sm_75", "sm_87", "sm_90", "sm_110", "sm_120")  # Turing, Orin, H100, Thor, RTX 50
SIZES = [  # camera (height, width), network (height, width)
    ((32, 48), (32, 48)),  # as it is
    ((64, 96), (32, 48)),  # a half
    ((65, 97), (32, 48)),  # a little more than a half: areas
    ((100, 200), (32, 48)),
    ((31, 17), (32, 48)),
    ((1, 1), (7, 5)),
    ((480, 640), (240, 320)),
    ((1080, 1920), (256, 320)),
    ((720, 1280), (192, 256)),
    ((720, 1280), (180, 320)),  # an even factor: OpenCV halves first
    ((300, 20), (32, 48)),  # one side shrinks, with stretch the other grows
    ((20, 300), (32, 48)),
    ((97, 3), (41, 2)),
]


CASES = [  # (pixels of the camera, its size, that of the network), for each of which frames are fitted both ways
    (pixels, frame, network) for pixels in FIT for frame, network in SIZES if pixels == BGR or max(frame) <= 300
]


def noise(*shape: int) -> UInt8:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def noise_of(pixels: PixelFormat, size: tuple[int, int]) -> Pixels:
    """A frame of this kind with all values."""
    values = np.iinfo(pixels.dtype).max + 1
    return np.random.default_rng(sum(size)).integers(0, values, (*size, pixels.channels), dtype=pixels.dtype)


def fitting_of(frame: tuple[int, int], network: tuple[int, int], fit: str, pixels: PixelFormat = BGR) -> Letterbox:
    """Frames of 16 bits have levels that clip a tenth at either end, other ones in each channel."""
    fitting = Letterbox.of(frame, replace(toy_spec(network), fit=cast("Fit", fit)))
    levels = tuple((6000.0 + 99 * k, 60000.5 - 99 * k) for k in range(pixels.channels)) if pixels.deep else ()
    return replace(fitting, pixels=pixels, levels=levels)


def tables_of(letterbox: Letterbox) -> UInt8:
    """For the kernel: of 8 bits there are none, and it must not read these."""
    return level_tables(letterbox.levels) if letterbox.levels else np.zeros(1, np.uint8)


def fit_on(driver: FakeCuda, frame: Pixels, letterbox: Letterbox) -> UInt8:
    out = np.full((*letterbox.input_size, frame.shape[2]), 77, np.uint8)
    height, width = letterbox.input_size
    addresses = (frame.ctypes.data, out.ctypes.data, tables_of(letterbox).ctypes.data)
    driver.run_kernel(FIT[letterbox.pixels], width, height, fit_arguments(letterbox, *addresses))
    return out


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("pixels", "frame_size", "network"), CASES)
def test_fitting(
    driver_on_cpu: FakeCuda, pixels: PixelFormat, frame_size: tuple[int, int], network: tuple[int, int], fit: str
) -> None:
    frame, letterbox = noise_of(pixels, frame_size), fitting_of(frame_size, network, fit, pixels)
    fitted = fit_on(driver_on_cpu, frame, letterbox)
    assert np.array_equal(fitted, reference.fit(frame, letterbox))
    assert np.abs(fitted.astype(int) - letterbox.fit(frame)).max() <= 1


def test_fitting_of_many_sizes(driver_on_cpu: FakeCuda) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for count in range(400):
        (h, w), (height, width) = rng.integers(1, 90, 2).tolist(), rng.integers(1, 60, 2).tolist()
        pixels = list(FIT)[count % len(FIT)]
        letterbox = fitting_of((h, w), (height, width), str(rng.choice(["letterbox", "stretch"])), pixels)
        frame = noise_of(pixels, (h, w))
        fitted = fit_on(driver_on_cpu, frame, letterbox)
        assert np.array_equal(fitted, reference.fit(frame, letterbox)), letterbox
        assert np.abs(fitted.astype(int) - letterbox.fit(frame)).max() <= 1, letterbox
        shrinks = (h > 2 * letterbox.height, w > 2 * letterbox.width)
        seen.add((letterbox.shrinks, shrinks, h >= letterbox.height, w >= letterbox.width))
    assert len(seen) >= 9, "bilinear and areas, and one side that shrinks to less than half while the other grows"


def test_fitting_of_camera_pictures(driver_on_cpu: FakeCuda) -> None:
    pictures = sorted((DATASET / "images" / "val").glob("*.jpg"))
    assert pictures
    for path in pictures:
        frame: UInt8 = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
        for network in ((256, 320), (96, 128)):
            letterbox = fitting_of((frame.shape[0], frame.shape[1]), network, "letterbox")
            fitted = fit_on(driver_on_cpu, frame, letterbox)
            assert np.array_equal(fitted, reference.fit(frame, letterbox))
            assert np.abs(fitted.astype(int) - letterbox.fit(frame)).max() <= 1


@pytest.mark.parametrize("value", [0, 255])
def test_a_plain_frame_stays_plain(driver_on_cpu: FakeCuda, value: int) -> None:
    """The weights add up to one, also where they are largest."""
    for size in ((700, 900), (40, 30), (31, 47)):
        letterbox = fitting_of(size, (32, 48), "stretch")
        assert (fit_on(driver_on_cpu, np.full((*size, 3), value, np.uint8), letterbox) == value).all()


def test_the_largest_frames_do_not_overflow(driver_on_cpu: FakeCuda) -> None:
    for pixels in FIT:
        for size in ((32767, 1), (1, 32767)):
            frame = noise_of(pixels, size)
            for network in ((2, 3), (SIDE, 1), (1, SIDE)):
                letterbox = fitting_of(size, network, "stretch", pixels)
                fitted = fit_on(driver_on_cpu, frame, letterbox)
                if max(network) < 100:  # the reference takes the square of a side
                    assert np.array_equal(fitted, reference.fit(frame, letterbox))


def test_a_frame_too_large_for_the_arithmetic_is_refused() -> None:
    with pytest.raises(FrameError, match=r"at most 32767 pixels a side, got \(1, 32768\)"):
        fit_arguments(fitting_of((1, 32768), (32, 48), "letterbox"), 0, 0)
    assert SIDE <= MAX_SIDE, "of networks"


@pytest.mark.parametrize("channels", [1, 2, 3, 19, 255])
@pytest.mark.parametrize("size", [(32, 48), (7, 13)])
def test_argmax(driver_on_cpu: FakeCuda, channels: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(channels)
    logits = rng.integers(-3, 4, (channels, *size)).astype(np.float32)  # many ties, and zeros
    logits[:, 0, 0] = -np.inf
    logits[-1, 0, 1] = np.inf
    mask = np.full(size, 77, np.uint8)
    pixels = size[0] * size[1]
    driver_on_cpu.run_kernel(ARGMAX, pixels, 1, (logits.ctypes.data, mask.ctypes.data, channels, pixels))
    assert np.array_equal(mask, reference.argmax(logits))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("suffix", ["cu", "ptx"])
def test_nvcc_compiles_them(tmp_path: Path, suffix: str, architecture: str) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc to compile the CUDA kernels for a GPU")
    (tmp_path / f"kernels.{suffix}").write_text(source() if suffix == "cu" else PTX.read_text())
    command = [nvcc, "-cubin", f"-arch={architecture}", "-Werror", "all-warnings", "-o", "cubin", f"kernels.{suffix}"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "cubin").stat().st_size > 1000
