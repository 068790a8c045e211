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

PTX = Path(__file__).with_name("kernels.ptx")
MAX_SIDE = 32767  # pixels; the kernels multiply two sides in 32 bits
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


FIT = Kernel("fit_frame", "PiiPiiiiiii", (32, 8, 1))
ARGMAX = Kernel("argmax", "PPii", (256, 1, 1))
BLEND = Kernel("blend", "PiiPiiiiiPi", (32, 8, 1))
KERNELS = (FIT, ARGMAX, BLEND)


def source() -> str:
    """The .cu files as one."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(PTX.parent.glob("*.cu")))


def source_sha256() -> str:
    """Of source(); the first line of kernels.ptx has that of the source it was made of."""
    return hashlib.sha256(source().encode()).hexdigest()


def fit_arguments(letterbox: Letterbox, frame: int, out: int) -> Arguments:
    """For FIT: device addresses of the frame, uint8 [h, w, 3], and of the network's input, uint8 [H, W, 3].

    Raises FrameError for a frame that is too large.
    """
    if max(letterbox.frame_size) > MAX_SIDE:
        raise FrameError(
            f"a frame on a GPU has at most {MAX_SIDE} pixels a side, got {letterbox.frame_size}: shrink it"
        )
    rectangle = (letterbox.top, letterbox.left, letterbox.height, letterbox.width)
    return (frame, *letterbox.frame_size, out, *letterbox.input_size, *rectangle, int(letterbox.shrinks))
