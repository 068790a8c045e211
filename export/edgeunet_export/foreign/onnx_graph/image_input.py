"""The one image that a network takes: layout, channels, size and type, from the graph's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgeunet.errors import ModelFileError, UsageError
from edgeunet.spec import CHANNELS
from edgeunet.utils.limits import LARGEST_SIDE, require_in

_DTYPES = {1: np.float32, 2: np.uint8, 10: np.float16}  # by ONNX's number


@dataclass(frozen=True)
class ImageInput:
    """name: of the tensor. size: (height, width); a side is None where it is free. dtype: NumPy's."""

    name: str
    channels: int
    size: tuple[int | None, int | None]
    dtype: Any
    channels_last: bool = False

    @property
    def takes_bytes(self) -> bool:
        return bool(self.dtype == np.uint8)

    def array(self, planes: NDArray[np.float32]) -> NDArray[Any]:
        """float32 [N, channels, H, W] → what the tensor takes. A uint8 one takes the values of frames, as they are."""
        if self.channels_last:
            planes = planes.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(planes, self.dtype)

    def size_for(self, wanted: tuple[int, int] | None, origin: str) -> tuple[int, int]:
        """(height, width) of the model: what is wanted, if the file leaves it free, or the file's own."""
        own = self.size
        if wanted and any(o not in (None, w) for o, w in zip(own, wanted, strict=True)):
            raise UsageError(
                f"{origin} takes {own[0] or 'any'}x{own[1] or 'any'} only, and --size is {wanted[0]}x{wanted[1]}: "
                "leave --size out, or export that network for the other size"
            )
        height, width = wanted or own
        if height is None or width is None:
            raise UsageError(f"{origin} takes frames of any size: give the one to use, --size HEIGHTxWIDTH")
        for side in (height, width):
            require_in(f"a side of the input of {origin}", side, 1, LARGEST_SIDE)
        return height, width


def image_input(model: ModelProto, origin: str) -> ImageInput:
    """The image among the inputs. Raises ModelFileError if there is none, or more than one input."""
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ModelFileError(
            f"{origin} has {len(inputs)} inputs ({names}), and one image is expected: export the network with the "
            "image as its only input"
        )
    tensor = inputs[0].type.tensor_type
    if not tensor.HasField("shape"):
        raise ModelFileError(
            f"{origin} does not say how many dimensions its input has: export it with an example frame"
        )
    shape = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    text = f"{inputs[0].name} [{', '.join('?' if n is None else str(n) for n in shape)}]"
    if tensor.elem_type not in _DTYPES:
        raise ModelFileError(
            f"the input {text} of {origin} is not float32, float16 or uint8: export it as one of these"
        )
    if len(shape) != 4:
        raise ModelFileError(f"the input {text} of {origin} is not an image [N, C, H, W] or [N, H, W, C]")
    if shape[0] not in (None, 1):
        raise ModelFileError(f"the input {text} of {origin} takes {shape[0]} frames at once: export it for one")
    channels = shape[1] or (_read_channels(model, inputs[0].name) if shape[3] not in CHANNELS else None)
    if channels in CHANNELS:
        return ImageInput(inputs[0].name, channels, (shape[2], shape[3]), _DTYPES[tensor.elem_type])
    if shape[3] in CHANNELS:
        return ImageInput(inputs[0].name, shape[3], (shape[1], shape[2]), _DTYPES[tensor.elem_type], channels_last=True)
    raise ModelFileError(
        f"the input {text} of {origin} has neither 1, 3 nor 4 channels: such a network gets no camera's frames"
    )


def _read_channels(model: ModelProto, name: str) -> int | None:
    """The channels that the convolution behind the input reads, where the input itself leaves them free."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    readers = [node for node in model.graph.node if name in node.input]
    found = [shapes[node.input[1]][1] for node in readers if node.op_type == "Conv" and node.input[1] in shapes]
    return int(found[0]) if found else None
