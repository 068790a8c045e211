"""Each convolution: what it costs in accuracy as INT8, and what it would cost in time as float."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto, NodeProto, numpy_helper

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import Session
from edgeunet.utils.console import progress
from edgeunet_export.int8.repair.trials import Candidate, Trials

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_ROUNDS = 30


@dataclass(frozen=True)
class Latency:
    """Of the float model and of the INT8 one on their target, in ms a frame: the medians of one run."""

    float_ms: float
    int8_ms: float


@dataclass(frozen=True)
class Layer:
    """One convolution that INT8 is possible for.

    sensitivity: relative squared error of the logits with this convolution alone in INT8.
    share: of the multiply-adds of all convolutions, 0 to 1.
    floating: whether it stays in float.
    cost_ms: what a frame takes longer with it in float. An estimate: what the whole model gains by INT8, shared out by
        multiply-adds. None where the target can't be measured here.
    """

    name: str
    sensitivity: float
    share: float
    floating: bool
    cost_ms: float | None


def quantised_convolutions(int8: ModelProto) -> tuple[str, ...]:
    """The outputs of the convolutions whose weights a Q/DQ model stores as integers."""
    producer = {output: node for node in int8.graph.node for output in node.output}

    def integer(node: NodeProto) -> bool:
        source = producer.get(node.input[1])
        return source is not None and source.op_type == "DequantizeLinear"

    return tuple(n.output[0] for n in int8.graph.node if n.op_type in _CONVOLUTIONS and integer(n))


def sensitivities(candidate: Candidate, trials: Trials) -> dict[str, float]:
    """The relative squared error of the logits with one convolution alone in INT8, by its output's name."""
    every = replace(candidate, floating=frozenset())
    names = quantised_convolutions(trials.int8(every))
    with progress() as bar:
        return {
            name: trials.deviation(replace(every, floating=frozenset(names) - {name})).error
            for name in bar.track(names, description="measuring sensitivities")
        }


def multiply_adds(model: ModelProto, trials: Trials) -> dict[str, int]:
    """The multiply-adds of each convolution for one frame, by its output's name."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    convolutions = [n for n in model.graph.node if n.op_type in _CONVOLUTIONS and n.input[1] in stored]
    # Each weight meets every pixel of the output; of a transposed convolution, every pixel of the input.
    tensors = {n.output[0]: n.output[0] if n.op_type == "Conv" else n.input[0] for n in convolutions}
    values = next(trials.observed(model, sorted(set(tensors.values()))))
    pixels = {name: values[tensor].shape[-1] * values[tensor].shape[-2] for name, tensor in tensors.items()}
    return {n.output[0]: stored[n.input[1]].size * pixels[n.output[0]] for n in convolutions}


def layers(
    model: ModelProto,
    sensitivity: Mapping[str, float],
    operations: Mapping[str, int],
    floating: frozenset[str],
    latency: Latency | None,
) -> tuple[Layer, ...]:
    """The convolutions of `sensitivity`, the most sensitive first.

    operations: multiply-adds of all convolutions. latency: of the model with all of `sensitivity` in INT8.
    """
    total = sum(operations.values())
    quantised = sum(operations[name] for name in sensitivity)
    gain_ms = latency.float_ms - latency.int8_ms if latency else None
    names = {node.output[0]: node.name or node.output[0] for node in model.graph.node}
    return tuple(
        Layer(
            names[tensor],
            error,
            operations[tensor] / total,
            tensor in floating,
            None if gain_ms is None else gain_ms * operations[tensor] / quantised,
        )
        for tensor, error in sorted(sensitivity.items(), key=lambda item: -item[1])
    )


def measured(float_model: Path, int8_model: Path, frame: UInt8, opened: Callable[[Path], Session]) -> Latency:
    """Run both files on a frame, uint8 [h, w, 3], in turns; fitting it is not counted."""
    times: tuple[list[float], list[float]] = [], []
    with opened(float_model) as in_float, opened(int8_model) as in_int8:
        for round_ in range(_ROUNDS + 1):
            for session, of_model in zip((in_float, in_int8), times, strict=True):
                infer_ns = session.run(frame).times_ns["infer"]
                if round_:  # the first one allocates
                    of_model.append(infer_ns / 1e6)
    return Latency(statistics.median(times[0]), statistics.median(times[1]))
