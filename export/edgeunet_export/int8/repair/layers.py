"""The cost of each convolution: accuracy in INT8, and time in float."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto

from edgeunet.imaging.pixels import Pixels
from edgeunet.latency.quantiles import summarize
from edgeunet.quantisation.graph import CONVOLUTIONS, LINEAR
from edgeunet.runtime import Session
from edgeunet.utils.console import progress
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.trials import Trials

_ROUNDS = 30


@dataclass(frozen=True)
class Latency:
    """Of the float model and of the INT8 one on their target, in ms per frame: medians of calls in turns.

    faster: bounds of how many times as fast INT8 is, from the ratios of neighbouring calls; both hold with 98 %.
    """

    float_ms: float
    int8_ms: float
    faster: tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One convolution that can be INT8.

    sensitivity: relative squared error of the logits with this convolution alone in INT8, on a few frames.
    share: of the multiply-adds of all convolutions, 0 to 1.
    floating: whether it stays in float.
    cost_ms: how much longer a frame takes with it in float. An estimate: its share, by multiply-adds, of what the whole
        model gains from INT8. None where the target cannot be measured here.
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

    return tuple(n.output[0] for n in int8.graph.node if n.op_type in (*CONVOLUTIONS, *LINEAR) and integer(n))


def sensitivities(candidate: Candidate, trials: Trials) -> dict[str, float]:
    """The relative squared error of the logits with one convolution alone in INT8, by its output's name.

    On a few frames: sensitivities differ by orders of magnitude.
    """
    names = quantised_convolutions(candidate.in_float(()).int8)
    with progress() as bar:
        return {
            name: trials.deviation(candidate.in_float(set(names) - {name}), rough=True).error
            for name in bar.track(names, description="measuring sensitivities")
        }


def multiply_adds(model: FloatModel, trials: Trials) -> dict[str, int]:
    """The multiply-adds of each convolution for one frame, by its output's name."""
    stored = model.constants
    kinds = (*CONVOLUTIONS, *LINEAR)
    convolutions = [n for n in model.proto.graph.node if n.op_type in kinds and n.input[1] in stored]
    # Each weight is used for every pixel of the output; in a transposed convolution, for every pixel of the input.
    tensors = {n.output[0]: n.input[0] if n.op_type == "ConvTranspose" else n.output[0] for n in convolutions}
    values = next(trials.observed(model.proto, sorted(set(tensors.values()))))
    channels = {n.output[0]: -1 if n.op_type in LINEAR else 1 for n in convolutions}  # their axis in the tensor
    pixels = {name: values[t].size // values[t].shape[channels[name]] for name, t in tensors.items()}
    return {n.output[0]: stored[n.input[1]].size * pixels[n.output[0]] for n in convolutions}


def layers(
    model: FloatModel,
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
    names = {node.output[0]: node.name or node.output[0] for node in model.proto.graph.node}
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


def measured(float_model: Path, int8_model: Path, frame: Pixels, opened: Callable[[Path], Session]) -> Latency:
    """Run both files in turns on a frame, as a session takes it; fitting the frame is not counted."""
    times: tuple[list[float], list[float]] = [], []
    with opened(float_model) as in_float, opened(int8_model) as in_int8:
        arms = [(in_float, times[0]), (in_int8, times[1])]
        for round_ in range(_ROUNDS + 1):
            for session, of_model in arms:
                infer_ns = session.run(frame).times_ns["infer"]
                if round_:  # the first one allocates
                    of_model.append(infer_ns / 1e6)
            arms.reverse()  # what comes first may find the machine in another state
    ratios = summarize(np.divide(*times)).p50
    return Latency(statistics.median(times[0]), statistics.median(times[1]), ratios.interval or (0.0, math.inf))
