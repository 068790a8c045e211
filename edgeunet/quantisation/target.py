"""The form of Q/DQ pairs that each runtime needs, all made from the same value ranges."""

from __future__ import annotations

from dataclasses import dataclass

from edgeunet.errors import UsageError


@dataclass(frozen=True)
class QuantisationTarget:
    """The requirements of a runtime for an INT8 model.

    unsigned: activations are uint8, with a zero point where they can be negative; otherwise symmetric int8.
    shared: the inputs and the output of a Concat have one scale, so that it only copies.
    pads: padding runs in 8 bits; otherwise in float.
    first: the first convolution is quantised too.
    outputs: the result of a quantised convolution is quantised for every operator that reads it.
    integer_biases: biases are int32, in steps of input scale times weight scale; otherwise float.
    rows: mean and deviation of the frame's channels are stored for each pixel of a row, not once.
    """

    name: str
    unsigned: bool
    shared: bool
    pads: bool
    first: bool
    outputs: bool
    integer_biases: bool
    rows: bool


TENSORRT = QuantisationTarget(
    "tensorrt", unsigned=False, shared=True, pads=True, first=False, outputs=False, integer_biases=False, rows=False
)
# Both CPU runtimes compute a convolution with integers only if uint8 goes in and comes out, with an int32 bias.
# ONNX Runtime cannot drop a ReLU before a zero point other than 0, and a skip would get such a zero point from the
# upsampled path if both shared a scale: `base` takes 60 ms instead of 100. As float, the first convolution costs more
# than its share. OpenVINO takes symmetric int8 too, but then only 96 % of the mask's pixels stay the same, not 99.9 %.
# OpenVINO 2026.4 cannot load a resized uint8 tensor that is padded along one side.
# ONNX Runtime puts the channels of a pixel together, and there takes the mean off three numbers at a time: a tenth of
# nano's time. Off a row at a time it is a hundredth.
CPU = QuantisationTarget(
    "cpu", unsigned=True, shared=False, pads=False, first=True, outputs=True, integer_biases=True, rows=True
)

TARGETS = {"tensorrt": TENSORRT, "onnxruntime": CPU, "openvino": CPU}


def target_of(target: str) -> QuantisationTarget:
    """The target with this name of TARGETS; raises UsageError for another name."""
    if target not in TARGETS:
        raise UsageError(f"unknown target {target!r}: choose one of {', '.join(TARGETS)}")
    return TARGETS[target]
