"""The kernels, compiled for the CPU, against their references bit for bit, and against OpenCV within 1."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.runtime.gpu.kernels import ARGMAX, BLEND, FIT, PTX, fit_arguments, source
from edgeunet.samples import DATASET
from edgeunet.spec import ModelSpec
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


def noise(*shape: int) -> UInt8:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def fitting_of(frame: tuple[int, int], network: tuple[int, int], fit: str) -> Letterbox:
    toy = toy_spec(network)
    return Letterbox.of(frame, ModelSpec(toy.classes, network, "stretch" if fit == "stretch" else "letterbox"))


def fit_on(driver: FakeCuda, frame: UInt8, letterbox: Letterbox) -> UInt8:
    out = np.full((*letterbox.input_size, 3), 77, np.uint8)
    height, width = letterbox.input_size
    driver.run_kernel(FIT, width, height, fit_arguments(letterbox, frame.ctypes.data, out.ctypes.data))
    return out


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("frame_size", "network"), SIZES)
def test_fitting(driver_on_cpu: FakeCuda, frame_size: tuple[int, int], network: tuple[int, int], fit: str) -> None:
    frame, letterbox = noise(*frame_size, 3), fitting_of(frame_size, network, fit)
    fitted = fit_on(driver_on_cpu, frame, letterbox)
    assert np.array_equal(fitted, reference.fit(frame, letterbox))
    assert np.abs(fitted.astype(int) - letterbox.fit(frame)).max() <= 1


def test_fitting_of_many_sizes(driver_on_cpu: FakeCuda) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(150):
        (h, w), (height, width) = rng.integers(1, 90, 2).tolist(), rng.integers(1, 60, 2).tolist()
        letterbox = fitting_of((h, w), (height, width), str(rng.choice(["letterbox", "stretch"])))
        frame = noise(h, w, 3)
        fitted = fit_on(driver_on_cpu, frame, letterbox)
        assert np.array_equal(fitted, reference.fit(frame, letterbox)), letterbox
        assert np.abs(fitted.astype(int) - letterbox.fit(frame)).max() <= 1, letterbox
        seen.add((letterbox.shrinks, h >= letterbox.height, w >= letterbox.width))
    assert len(seen) >= 6, "bilinear, areas, and areas in one direction only"


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
    for size in ((32767, 1), (1, 32767)):
        frame = noise(*size, 3)
        for network in ((2, 3), (16384, 1), (1, 16384)):
            letterbox = fitting_of(size, network, "stretch")
            fitted = fit_on(driver_on_cpu, frame, letterbox)
            if max(network) < 100:  # the reference takes the square of a side
                assert np.array_equal(fitted, reference.fit(frame, letterbox))


def test_a_frame_too_large_for_the_arithmetic_is_refused() -> None:
    with pytest.raises(FrameError, match=r"at most 32767 pixels a side, got \(1, 32768\)"):
        fit_arguments(fitting_of((1, 32768), (32, 48), "letterbox"), 0, 0)


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


@pytest.mark.parametrize("opacity", [0.0, 0.45, 1.0])
@pytest.mark.parametrize(("frame_size", "network"), SIZES)
def test_blending(
    driver_on_cpu: FakeCuda, frame_size: tuple[int, int], network: tuple[int, int], opacity: float
) -> None:
    letterbox = fitting_of(frame_size, network, "letterbox")
    frame, mask, colors = noise(*frame_size, 3), noise(*network), noise(256, 3)
    drawn = frame.copy()
    addresses = (drawn.ctypes.data, mask.ctypes.data, colors.ctypes.data)
    arguments = reference.blend_arguments(letterbox, *addresses, opacity)
    driver_on_cpu.run_kernel(BLEND, frame_size[1], frame_size[0], arguments)
    assert np.array_equal(drawn, reference.blend(frame, mask, colors, letterbox, opacity))
    plain = cv2.addWeighted(frame, 1 - opacity, colors[letterbox.restore_mask(mask)], opacity, 0.0)
    assert np.abs(drawn.astype(int) - plain).max() <= 1


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
