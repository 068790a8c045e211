"""How each runtime wants its Q/DQ pairs: the same ranges, written down differently."""

from __future__ import annotations

from dataclasses import dataclass

from edgeunet.errors import UsageError


@dataclass(frozen=True)
class Dialect:
    """What differs between runtimes.

    unsigned: activations are uint8, with a zero point where they can be negative; otherwise symmetric int8.
    shared: the inputs and the output of a Concat have one scale, so that it only copies.
    pads: padding copies 8 bits; otherwise it works on floats.
    first: the first convolution is quantised too.
    outputs: what a quantised convolution gives is quantised, whoever reads it.
    integer_biases: biases are int32, in steps of input scale times weight scale; otherwise float.
    """

    name: str
    unsigned: bool
    shared: bool
    pads: bool
    first: bool
    outputs: bool
    integer_biases: bool


TENSORRT = Dialect("tensorrt", unsigned=False, shared=True, pads=True, first=False, outputs=False, integer_biases=False)
# Both CPU runtimes compute a convolution with integers only if uint8 goes in and comes out, with an int32 bias.
# ONNX Runtime can't drop a ReLU before a zero point other than 0, which a skip would get from the upsampled path if
# both shared a scale: `base` 60 ms instead of 100. In a float graph the first convolution costs more than its share.
# OpenVINO takes symmetric int8 too, but its masks are then others: the same on 96 % of the pixels, on 99.9 % like this.
# OpenVINO 2026.4 cannot load a resized uint8 tensor that is padded along one side.
CPU = Dialect("cpu", unsigned=True, shared=False, pads=False, first=True, outputs=True, integer_biases=True)

TARGETS = {"tensorrt": TENSORRT, "onnxruntime": CPU, "openvino": CPU}


def dialect_of(target: str) -> Dialect:
    """The dialect of one of TARGETS; raises UsageError for another name."""
    if target not in TARGETS:
        raise UsageError(f"unknown target {target!r}: choose one of {', '.join(TARGETS)}")
    return TARGETS[target]
