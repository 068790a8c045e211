"""The nodes whose values float16 cannot hold, or only too coarsely, found on real frames."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.quantisation.graph import CONVOLUTIONS
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet_export.calibration.calibrate import not_finite
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import onnx_session

LIMIT = 65504 / 4
"""A tensor with an |x| as large as this stays in float32: a quarter of float16's range, since other frames differ."""
MAX_ERROR = 0.01
"""Largest error of an operator in float16, RMS over RMS of its output; 0.0003 is usual, from 10 bits of mantissa."""
_MEASURED = (*CONVOLUTIONS, "MatMul", "Gemm", "ReduceMean", "Pow", "Sqrt", "Div")
"""Operators whose own error in float16 is measured: sums of many values, and what normalisations are written with."""


def wide_nodes(model: FloatModel, spec: ModelSpec, images: Sequence[Path]) -> frozenset[str]:
    """The nodes of a float32 model that must stay in float32, by the name of their output.

    Those with a tensor or a weight that reaches LIMIT; and each convolution or other operator of _MEASURED whose own
    error in float16 exceeds MAX_ERROR on the inputs that it has in float32, together with the nodes between it and the
    one before.
    Raises ExportError for an activation that is not finite, DatasetError for an image that cannot be read.
    """
    peaks, errors = _measured(model, spec, images)
    nodes = model.proto.graph.node
    producer = {output: node for node in nodes for output in node.output}
    wide = {
        node.output[0]
        for node in nodes
        if any(peaks.get(tensor, 0.0) >= LIMIT for tensor in (*node.input, *node.output))
    }
    for output, error in errors.items():
        if output not in wide and error > MAX_ERROR:
            wide.add(output)
            for tensor in producer[output].input:
                wide.update(_upstream(tensor, producer))
    return frozenset(wide)


def wide_convolutions(model: FloatModel, wide: Collection[str]) -> tuple[str, ...]:
    """The names of the convolutions among the wide nodes, for people."""
    return tuple(n.name for n in model.proto.graph.node if n.op_type in CONVOLUTIONS and n.output[0] in wide)


def observed(
    model: ModelProto, spec: ModelSpec, images: Sequence[Path], work: str
) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Name of the image and all outputs of the model, for one tile of one image after another, with a progress bar."""
    session = onnx_session(model)
    outputs = [output.name for output in model.graph.output]
    with progress() as bar:
        task = bar.add_task(work, total=len(images), note="")
        for name, frame in read_frames(images, spec):
            for tile in fitted_tiles(frame, spec):
                yield name, dict(zip(outputs, session.run(outputs, {"frame": tile}), strict=True))
            bar.advance(task)


def _upstream(tensor: str, producer: Mapping[str, NodeProto]) -> Iterator[str]:
    """The nodes that compute a tensor, back to and including measured ones: they would round it before."""
    if tensor in producer:
        node = producer[tensor]
        yield node.output[0]
        if node.op_type not in _MEASURED:
            for source in node.input:
                yield from _upstream(source, producer)


def _measured(model: FloatModel, spec: ModelSpec, images: Sequence[Path]) -> tuple[dict[str, float], dict[str, float]]:
    """The largest |x| of each float tensor, and the relative error of each measured operator in float16."""
    probed, tensors, measured = _probed(model)
    peaks = {name: _peak(value) for name, value in model.constants.items() if value.dtype == np.float32}
    peaks |= dict.fromkeys(tensors, 0.0)
    errors = dict.fromkeys(measured, 0.0)
    for image, values in observed(probed, spec, images, "trying float16"):
        for tensor in tensors:
            peaks[tensor] = max(peaks[tensor], float(values[f"{tensor}.peak"]))
        for name in measured:
            power, error = float(values[f"{name}.power"]), float(values[f"{name}.error"])
            if not math.isfinite(power):
                raise not_finite(name, image)
            relative = (error / power) ** 0.5 if power else 0.0
            errors[name] = max(errors[name], relative if math.isfinite(relative) else math.inf)
    return peaks, errors


def _peak(values: NDArray[np.generic]) -> float:
    return float(np.abs(values).max(initial=0))


def _probed(model: FloatModel) -> tuple[ModelProto, list[str], list[str]]:
    """The same model with scalars as its outputs, so that no activation has to be copied.

    `<tensor>.peak` for every float tensor that is computed; `<output>.power` and `.error` for every measured
    operator: the sums of squares of its output, and of its difference from float16.
    Also returns the names of these tensors and of these outputs.
    """
    probed = ModelProto()
    probed.CopyFrom(model.proto)
    graph = probed.graph
    nodes = list(graph.node)
    half: dict[str, str] = {}

    def add(op: str, result: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [result], **attributes))
        return result

    def in_float16(tensor: str) -> str:
        if tensor not in half:
            add("Cast", f"{tensor}.half", tensor, to=TensorProto.FLOAT16)
            half[tensor] = add("Cast", f"{tensor}.rounded", f"{tensor}.half", to=TensorProto.FLOAT)
        return half[tensor]

    tensors = [t for node in graph.node for t in node.output if model.types[t] == TensorProto.FLOAT]
    for tensor in tensors:
        add("ReduceMax", f"{tensor}.peak", add("Abs", f"{tensor}.abs", tensor), keepdims=0)
    measured = [n for n in graph.node if n.op_type in _MEASURED and model.types[n.output[0]] == TensorProto.FLOAT]
    for node in measured:
        name = node.output[0]
        probe = NodeProto()
        probe.CopyFrom(node)
        probe.name, probe.output[0] = "", f"{name}.probe"
        probe.input[:] = [in_float16(t) if model.types.get(t) == TensorProto.FLOAT else t for t in node.input]
        nodes.append(probe)
        difference = add("Sub", f"{name}.difference", name, in_float16(f"{name}.probe"))
        add("ReduceSumSquare", f"{name}.power", name, keepdims=0)
        add("ReduceSumSquare", f"{name}.error", difference, keepdims=0)
    scalars = [f"{tensor}.peak" for tensor in tensors]
    scalars += [f"{node.output[0]}.{kind}" for node in measured for kind in ("power", "error")]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in scalars]
    graph.CopyFrom(helper.make_graph(nodes, graph.name, graph.input, outputs, graph.initializer))
    return probed, tensors, [node.output[0] for node in measured]
