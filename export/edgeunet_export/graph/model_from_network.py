"""The whole model of a network: frame uint8 [N, H, W, C] in, mask uint8 [N, H, W] out, the spec in the metadata."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from edgeunet.network.fold_batchnorm import folded
from edgeunet.network.trace import CENTRED, LOGITS
from edgeunet.network.unet import UNet
from edgeunet.spec import ModelSpec
from edgeunet.version import __version__
from edgeunet_export.graph.float_model import MEAN
from edgeunet_export.graph.fragment import Fragment
from edgeunet_export.graph.model_file import IR_VERSION, OPSET, set_spec
from edgeunet_export.graph.translate import translated


def model_from_network(net: UNet, spec: ModelSpec, *, dynamic_batch: bool, logits: bool) -> ModelProto:
    """Normalisation, network and class decision in one graph.

    dynamic_batch: N is free; otherwise it is 1.
    logits: a second output `logits`, float32 [N, spec.logits, H, W], after the mask.
    """
    graph = Fragment()
    # TensorRT takes a uint8 input only if a Cast reads it; it rejects a Transpose of uint8.
    float_frame = graph.add("Cast", "frame.float", ["frame"], to=TensorProto.FLOAT)
    planes = graph.add("Transpose", "frame.planes", [float_frame], perm=[0, 3, 1, 2])
    mean = graph.constant(MEAN, np.array(spec.mean, np.float32).reshape(1, -1, 1, 1))
    graph.add("Sub", CENTRED, [planes, mean])
    network = translated(folded(net, spec), spec.input_size, channels=spec.channels)
    graph.nodes += network.nodes
    graph.initializers += network.initializers
    _add_decision(graph, spec)
    batch: int | str = "N" if dynamic_batch else 1
    height, width = spec.input_size
    outputs = [helper.make_tensor_value_info("mask", TensorProto.UINT8, [batch, height, width])]
    if logits:
        outputs.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, [batch, spec.logits, height, width]))
    proto = helper.make_graph(
        graph.nodes,
        "edgeunet",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [batch, *spec.frame_shape])],
        outputs,
        graph.initializers,
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION[OPSET],
        producer_name="edgeunet",
        producer_version=__version__,
    )
    set_spec(model, spec)
    return model


def _add_decision(graph: Fragment, spec: ModelSpec) -> None:
    """logits → mask: the class of the largest logit, or with one logit whether it is positive.

    The index becomes float32 first, because TensorRT has no cast from int64 or bool to uint8.
    """
    if spec.logits == 1:
        axis = graph.constant("mask.axis", np.array([1], np.int64))
        plane = graph.add("Squeeze", "mask.logit", [LOGITS, axis])
        zero = graph.constant("mask.zero", np.array(0, np.float32))
        index = graph.add("Greater", "mask.positive", [plane, zero])
    else:
        index = graph.add("ArgMax", "mask.index", [LOGITS], axis=1, keepdims=0)
    graph.add("Cast", "mask.float", [index], to=TensorProto.FLOAT)
    graph.add("Cast", "mask", ["mask.float"], to=TensorProto.UINT8)
