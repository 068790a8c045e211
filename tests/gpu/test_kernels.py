"""The kernels' PTX, compiled by the driver and run on the GPU, against their references bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime.gpu.cuda import Buffer, Device
from edgeunet.runtime.gpu.kernels import ARGMAX, FIT, Arguments, Kernel, fit_arguments
from edgeunet.spec import PixelFormat
from tests.runtime.gpu import reference
from tests.runtime.gpu.test_kernels import fitting_of, noise_of, tables_of

pytestmark = pytest.mark.usefixtures("cuda_provider")
SIZES = [  # camera (height, width), network (height, width)
    ((480, 640), (240, 320)),
    ((1080, 1920), (256, 320)),
    ((31, 17), (32, 48)),
    ((300, 20), (32, 48)),
    ((2160, 3840), (513, 771)),
]


@pytest.fixture(scope="module")
def device(cuda_provider: None) -> Iterator[Device]:
    opened = Device()
    yield opened
    opened.close()


class Launch:
    """One launch: arrays go up, a kernel runs, one array comes back. For the device's owner."""

    def __init__(self, device: Device, held: ExitStack) -> None:
        self._device, self._held = device, held
        self._stream = device.stream()
        held.callback(self._stream.free)

    def up(self, array: NDArray[Any]) -> Buffer:
        buffer = self._device.buffer(array.shape, array.dtype)
        self._held.callback(buffer.free)
        buffer.write(array)
        buffer.upload(self._stream)
        return buffer

    def run(self, kernel: Kernel, width: int, height: int, arguments: Arguments, out: Buffer) -> NDArray[Any]:
        self._device.launch(kernel, kernel.grid(width, height), arguments, self._stream)
        out.download(self._stream)
        self._stream.synchronize()
        result: NDArray[Any] = out.host.copy()
        return result


@pytest.mark.parametrize("pixels", FIT, ids=str)
@pytest.mark.parametrize(("frame_size", "network"), SIZES)
def test_fitting(device: Device, frame_size: tuple[int, int], network: tuple[int, int], pixels: PixelFormat) -> None:
    frame, letterbox = noise_of(pixels, frame_size), fitting_of(frame_size, network, "letterbox", pixels)

    def work() -> UInt8:
        with ExitStack() as held:
            launch = Launch(device, held)
            source, out = launch.up(frame), launch.up(np.zeros((*network, pixels.channels), np.uint8))
            arguments = fit_arguments(letterbox, source.address, out.address, launch.up(tables_of(letterbox)).address)
            return launch.run(FIT[pixels], network[1], network[0], arguments, out)

    fitted = device.call(work)
    assert np.array_equal(fitted, reference.fit(frame, letterbox))
    assert np.abs(fitted.astype(int) - letterbox.fit(frame)).max() <= 1


@pytest.mark.parametrize("channels", [1, 3, 19, 255])
def test_argmax(device: Device, channels: int) -> None:
    logits = np.random.default_rng(0).integers(-3, 4, (channels, 97, 131)).astype(np.float32)
    pixels = 97 * 131

    def work() -> UInt8:
        with ExitStack() as held:
            launch = Launch(device, held)
            source, out = launch.up(logits), launch.up(np.zeros((97, 131), np.uint8))
            return launch.run(ARGMAX, pixels, 1, (source.address, out.address, channels, pixels), out)

    assert np.array_equal(device.call(work), reference.argmax(logits))
