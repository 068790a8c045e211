"""Which output of a network is the segmentation, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from edgeunet.errors import ModelFileError, UsageError
from edgeunet_export.foreign.decision import Decision
from edgeunet_export.graph.float_model import attribute

_FORWARD = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Flatten")  # change no value
_INDICES = ("ArgMax", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "TopK", "Round")
_COARSEST = 32  # of the output: the input's sides divided by it

Outputs = Mapping[str, NDArray[Any]]


def chosen_output(
    graph: ModelProto, found: Outputs, wanted: str, size: tuple[int, int], *, channels_last: bool, origin: str
) -> tuple[str, Decision]:
    """The name of the segmentation among the outputs, and how it becomes a mask.

    found: each output for a frame of noise. wanted: the name that the user gave, or "".
    size: (height, width) of what the network was given.
    Raises UsageError for a name that is no output and for several candidates, ModelFileError if no output is a
    segmentation.
    """
    if wanted and wanted not in found:
        raise UsageError(f"{origin} has no output {wanted}: --output-name is one of {', '.join(found)}")
    names = [wanted] if wanted else list(found)
    decided = {n: decision_of(graph, n, found[n], size, channels_last=channels_last) for n in names}
    candidates = {name: decision for name, decision in decided.items() if decision}
    if not candidates:
        listed = "; ".join(f"{name} {found[name].dtype} {list(found[name].shape)}" for name in names)
        raise ModelFileError(
            f"{origin} is not a segmentation network for frames of {size[0]}x{size[1]}: it returns {listed}, and "
            "scores or classes of each pixel are expected, at the frame's size, a half, a quarter, an eighth …"
        )
    largest = max(d.size[0] for d in candidates.values())
    best = {n: d for n, d in candidates.items() if d.size[0] == largest}
    best = {n: d for n, d in best.items() if "aux" not in n.lower()} or best
    if any(d.kind != "classes" for d in best.values()):  # a class map next to scores is made from them
        best = {n: d for n, d in best.items() if d.kind != "classes"}
    if len(best) > 1:
        raise UsageError(
            f"{origin} has several outputs that may be the segmentation: give --output-name {' or '.join(best)}"
        )
    return next(iter(best.items()))


def decision_of(
    graph: ModelProto, name: str, output: NDArray[Any], size: tuple[int, int], *, channels_last: bool
) -> Decision | None:
    """How an output becomes a mask; None if it cannot."""
    shape = output.shape
    if output.ndim not in (3, 4) or shape[0] != 1:
        return None
    options = [None] if output.ndim == 3 else [3, 1] if channels_last else [1, 3]
    for axis in options:
        height, width = (n for index, n in enumerate(shape) if index not in (0, axis))
        if _is_part_of((height, width), size):
            break
    else:
        return None
    channels = 1 if axis is None else shape[axis]
    last = _last(graph, name)
    if channels > 1:
        scores = Decision("scores", axis, channels, (height, width), size, align_corners=_corners(graph))
        return scores if output.dtype.kind == "f" else None
    if output.dtype.kind in "iub" or (last is not None and last.op_type in _INDICES) or _counts(output):
        return Decision("classes", axis, 1, (height, width), size)
    # From 0 to 1 for a frame of noise: a share, whatever made it, such as the mean of several sigmoids.
    threshold = 0.5 if output.min() >= 0 and output.max() <= 1 else 0.0
    return Decision("logit", axis, 1, (height, width), size, threshold, _corners(graph))


def _counts(output: NDArray[Any]) -> bool:
    """Whether floats are indices of classes: whole numbers, and not of 0 and 1 alone, which may be one score's."""
    return bool((output == np.rint(output)).all() and (output.min() < 0 or output.max() > 1))


def _is_part_of(part: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether (height, width) are those of a frame divided by one number, rounded up or down."""
    return any(
        all(p in (whole // by, -(-whole // by)) for p, whole in zip(part, size, strict=True))
        for by in range(1, _COARSEST + 1)
    )


def _last(graph: ModelProto, name: str) -> NodeProto | None:
    """The node that computes the values of a tensor."""
    producer = {output: node for node in graph.graph.node for output in node.output}
    while name in producer and producer[name].op_type in _FORWARD:
        name = producer[name].input[0]
    return producer.get(name)


def _corners(graph: ModelProto) -> bool:
    """Whether the network enlarges with aligned corners inside: then its own tool does so outside, too."""
    ways = {
        attribute(node, "coordinate_transformation_mode", b"half_pixel")
        for node in graph.graph.node
        if node.op_type == "Resize" and attribute(node, "mode", b"nearest") == b"linear"
    }
    return ways == {b"align_corners"}
