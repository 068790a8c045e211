"""The CUDA kernels: their source, how each is launched, and with which arguments.

They travel as PTX, which the driver compiles for its GPU, so no compiler is needed; `make kernels` makes it.
tests/runtime/gpu/reference.py computes the same in NumPy, bit for bit. Nothing here needs a GPU.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.spec import CHANNELS, PixelFormat

PTX = Path(__file__).with_name("kernels.ptx")
MAX_SIDE = 32767  # pixels; the kernels multiply two sides in 32 bits. A network's are at most limits.SIDE
Arguments = tuple[int, ...]
Dim3 = tuple[int, int, int]


@dataclass(frozen=True)
class Kernel:
    """One __global__ function.

    arguments: its parameters in the format of `struct`: P a device address, i an int32.
    block: threads of a block, (x, y, z); one thread makes one pixel.
    """

    name: str
    arguments: str
    block: Dim3

    def grid(self, width: int, height: int = 1) -> Dim3:
        """Blocks that cover `width` by `height` pixels."""
        return (-(-width // self.block[0]), -(-height // self.block[1]), 1)


FIT = {
    PixelFormat(channels, deep): Kernel(f"fit_{16 if deep else 8}_bit_{channels}", "PiiPiiiiiiiP", (32, 8, 1))
    for deep in (False, True)
    for channels in CHANNELS
}
ARGMAX = Kernel("argmax", "PPii", (256, 1, 1))
KERNELS = (*FIT.values(), ARGMAX)


def source() -> str:
    """The .cu files as one."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(PTX.parent.glob("*.cu")))


def source_sha256() -> str:
    """Of source(); the first line of kernels.ptx has that of the source it was made of."""
    return hashlib.sha256(source().encode()).hexdigest()


def fit_arguments(letterbox: Letterbox, frame: int, out: int, levels: int = 0) -> Arguments:
    """For the kernel FIT[letterbox.pixels]: device addresses of the frame, [h, w, channels], of the network's input,
    uint8 [H, W, channels], and for 16 bits of the tables that level them, uint8 [channels, 65536].

    Raises FrameError for a frame that is too large.
    """
    if max(letterbox.frame_size) > MAX_SIDE:
        raise FrameError(
            f"a frame on a GPU has at most {MAX_SIDE} pixels a side, got {letterbox.frame_size}: shrink it"
        )
    rectangle = (letterbox.top, letterbox.left, letterbox.height, letterbox.width)
    return (frame, *letterbox.frame_size, out, *letterbox.input_size, *rectangle, int(letterbox.shrinks), levels)
