"""Model files for tests, with a known answer and no training: the class of a pixel follows from its colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime.model_identity import opened_from
from edgeunet.runtime.session import Session
from edgeunet.spec import METADATA_KEY, ClassInfo, ModelSpec
from edgeunet.trust import Trust

S = TypeVar("S", bound=Session)

BRIGHT = 100
TRUST = Trust(1.0, 0.3, 100.0, 20, 0.02, 0.05, 0.0, 0.0)
COLORS = {"road": (255, 0, 0), "car": (0, 255, 0), "sky": (0, 0, 255)}


def toy_spec(size: tuple[int, int] = (32, 48)) -> ModelSpec:
    """Three classes: a pixel belongs to road, car or sky as its blue, green or red (BGR) is the largest."""
    return ModelSpec(tuple(ClassInfo(n, c) for n, c in COLORS.items()), size)


def toy_mask(frame: UInt8) -> UInt8:
    """What the toy model answers for a frame at its own input size, [H, W, channels]: of grey whether it is bright."""
    if frame.shape[2] == 1:
        return np.asarray(frame[..., 0] > BRIGHT, dtype=np.uint8)
    return np.asarray(frame[..., :3].argmax(axis=2), dtype=np.uint8)


def toy_trust(frame: UInt8) -> tuple[UInt8, float]:
    """Confidence and familiarity of the toy model for a frame [H, W, 3]: the largest channel, and the mean."""
    return np.asarray(frame.max(axis=2), dtype=np.uint8), float(frame.mean())


def write_toy_model(
    path: Path,
    spec: ModelSpec | None = None,
    *,
    with_spec: bool = True,
    order: Sequence[int] = (0, 1, 2),
    batch: int | str = 1,
    logits: bool = False,
    trust: bool = False,
) -> Path:
    """A .onnx file with the contract of every exported model (frame uint8 NHWC in, mask uint8 out).

    order: the colour channel (blue, green, red) that each class looks at. batch: "N" for a dynamic one.
    logits: whether they are a second output. trust: whether it has the outputs of toy_trust(), also in its spec.
    """
    spec = spec or toy_spec()
    height, width = spec.input_size
    nodes = [
        helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["chw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["chw", "weight", "bias"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["index"], axis=1, keepdims=0),
        helper.make_node("Cast", ["index"], ["index_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["index_float"], ["mask"], to=TensorProto.UINT8),
    ]
    if spec.channels == 1:  # a bright pixel is a car
        weight, bias = np.array([0, 1, -1], np.float32), np.array([BRIGHT, 0, 0])
    else:
        weight, bias = np.eye(spec.channels, dtype=np.float32)[list(order)], np.zeros(3)
    outputs = [helper.make_tensor_value_info("mask", TensorProto.UINT8, [batch, height, width])]
    if logits:
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3, height, width]))
    if trust:
        spec = replace(spec, trust=TRUST)
        nodes += [
            helper.make_node("ReduceMax", ["logits"], ["brightest"], axes=[1], keepdims=0),
            helper.make_node("Cast", ["brightest"], ["confidence"], to=TensorProto.UINT8),
            helper.make_node("ReduceMean", ["logits"], ["familiarity"], axes=[1, 2, 3], keepdims=0),
        ]
        outputs.append(helper.make_tensor_value_info("confidence", TensorProto.UINT8, [batch, height, width]))
        outputs.append(helper.make_tensor_value_info("familiarity", TensorProto.FLOAT, [batch]))
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [batch, *spec.frame_shape])],
        outputs,
        [
            numpy_helper.from_array(weight.reshape(3, spec.channels, 1, 1), "weight"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if with_spec:
        helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path


def opened(kind: Callable[..., S], path: Path, **options: Any) -> S:
    """A session of this very class, opened as open_session() does it."""
    session, file = opened_from(path, lambda: kind(path, **options))
    session.file = file
    return session
