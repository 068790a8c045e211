"""The kernels' PTX: made of these sources, for the oldest driver, and interpreted equal to the references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet.runtime.gpu.kernels import (
    ARGMAX,
    FIT,
    KERNELS,
    PTX,
    Arguments,
    Kernel,
    fit_arguments,
    source_sha256,
)
from edgeunet.spec import PixelFormat
from tests.runtime.gpu import reference
from tests.runtime.gpu.make_ptx import HASH, make_ptx, nvrtc
from tests.runtime.gpu.ptx import Memory, Program
from tests.runtime.gpu.test_kernels import CASES, fitting_of, noise_of, tables_of

ADD = Kernel("add", "PPi", (4, 1, 1))
ADDING = """
.visible .entry add(
	.param .u64 .ptr .align 1 add_param_0,
	.param .u64 add_param_1,
	.param .u32 add_param_2
)
{
	.reg .pred %p<2>;
	ld.param.u64 %rd1, [add_param_0];
	ld.param.u64 %rd2, [add_param_1];
	ld.param.u32 %r1, [add_param_2];
	mov.u32 %r2, %tid.x;
	setp.ge.s32 %p1, %r2, %r1;
	@%p1 bra $L__end;
	mul.wide.s32 %rd3, %r2, 4;
	add.s64 %rd4, %rd1, %rd3;
	add.s64 %rd5, %rd2, %rd3;
	ld.global.f32 %f1, [%rd4];
	add.f32 %f2, %f1, 0f3F000000;  // 0.5
	st.global.f32 [%rd5], %f2;
$L__end:
	ret;
}
"""


@pytest.fixture(scope="module")
def programs() -> dict[Kernel, Program]:
    return {kernel: Program(PTX.read_text(), kernel) for kernel in KERNELS}


def test_the_ptx_is_that_of_these_sources() -> None:
    first, *_ = PTX.read_text().splitlines()
    assert first == HASH + source_sha256(), "a kernel has changed: run make kernels"


def test_the_oldest_driver_and_gpu_take_the_ptx() -> None:
    """JetPack 6.1 has the driver of CUDA 12.6, which takes PTX 8.5; a Turing is the oldest GPU of TensorRT 10.3."""
    words = dict(line.split() for line in PTX.read_text().splitlines() if line.startswith((".version", ".target")))
    assert tuple(map(int, words[".version"].split("."))) <= (8, 5)
    assert words[".target"] == "sm_75"


def test_nvrtc_makes_the_same_ptx_again() -> None:
    library = nvrtc()
    if library is None:
        pytest.skip("no .venv-cuda with NVIDIA's run-time compiler: make kernels")
    assert make_ptx(library) == PTX.read_text()


def launched(
    program: Program, width: int, height: int, arrays: list[NDArray[Any]], arguments: Callable[..., Arguments], out: int
) -> NDArray[Any]:
    """What array number `out` holds afterwards. arguments: of the arrays' addresses."""
    memory = Memory()
    addresses = [memory.put(array) for array in arrays]
    program.run(width, height, arguments(*addresses), memory)
    return memory.get(addresses[out], arrays[out])


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("pixels", "frame_size", "network"), CASES)
def test_fitting(
    programs: dict[Kernel, Program],
    pixels: PixelFormat,
    frame_size: tuple[int, int],
    network: tuple[int, int],
    fit: str,
) -> None:
    frame, letterbox = noise_of(pixels, frame_size), fitting_of(frame_size, network, fit, pixels)
    arrays = [frame, np.full((*network, pixels.channels), 77, np.uint8), tables_of(letterbox)]
    program = programs[FIT[pixels]]
    fitted = launched(program, network[1], network[0], arrays, lambda *a: fit_arguments(letterbox, *a), 1)
    assert np.array_equal(fitted, reference.fit(frame, letterbox))


@pytest.mark.parametrize("channels", [1, 2, 3, 19, 255])
def test_argmax(programs: dict[Kernel, Program], channels: int) -> None:
    logits = np.random.default_rng(channels).integers(-3, 4, (channels, 32, 48)).astype(np.float32)  # many ties
    logits[:, 0, 0], logits[-1, 0, 1] = -np.inf, np.inf
    arrays: list[NDArray[Any]] = [logits, np.full((32, 48), 77, np.uint8)]
    mask = launched(programs[ARGMAX], 32 * 48, 1, arrays, lambda *a: (*a, channels, 32 * 48), 1)
    assert np.array_equal(mask, reference.argmax(logits))


def test_the_interpreter_runs_the_threads_that_a_predicate_leaves() -> None:
    values = np.arange(4, dtype=np.float32)
    added = launched(Program(ADDING, ADD), 4, 1, [values, np.zeros(4, np.float32)], lambda *a: (*a, 3), 1)
    assert added.tolist() == [0.5, 1.5, 2.5, 0.0]


@pytest.mark.parametrize(
    ("before", "after", "error", "says"),
    [
        ("[%rd5]", "[%rd5+8]", IndexError, "outside every buffer"),
        ("[%rd4]", "[%rd4+2]", IndexError, "not aligned"),
        ("add.f32", "fma.rn.f32", NotImplementedError, "fma.rn.f32"),
        ("ret;", "ret", ValueError, "unknown form: ret"),
        ("entry add", "entry sub", ValueError, "no kernel add"),
    ],
)
def test_the_interpreter_refuses_what_a_gpu_would_not_do(
    before: str, after: str, error: type[Exception], says: str
) -> None:
    arrays = [np.zeros(3, np.float32), np.zeros(3, np.float32)]
    with pytest.raises(error, match=says):
        launched(Program(ADDING.replace(before, after), ADD), 4, 1, arrays, lambda *a: (*a, 3), 1)
