"""The rules of Q/DQ placement that TensorRT wants kept, checked on a finished model."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper


def placement_faults(model: ModelProto) -> list[str]:
    """What breaks the rules, a line each."""
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    consumers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for tensor in node.input:
            consumers.setdefault(tensor, []).append(node)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    faults: list[str] = []

    def op(tensor: str) -> str:
        return producer[tensor].op_type if tensor in producer else ""

    def scale_before(tensor: str) -> str:
        """Name of the scale that a tensor was dequantised with."""
        return producer[tensor].input[1] if op(tensor) == "DequantizeLinear" else f"{tensor} is float"

    def scale_after(tensor: str) -> str:
        return next((n.input[1] for n in consumers.get(tensor, []) if n.op_type == "QuantizeLinear"), "no Q")

    for node in graph.node:
        name = node.name
        kinds = {consumer.op_type for consumer in consumers.get(node.output[0], [])}
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = constants[node.input[2]]
            if zero.dtype != np.int8 or zero.any():
                faults.append(f"{name}: zero point is {zero.dtype} {zero}")
            if constants[node.input[1]].dtype != np.float32 or (constants[node.input[1]] <= 0).any():
                faults.append(f"{name}: scale is not a positive float32")
            if node.op_type == "QuantizeLinear" and constants[node.input[1]].ndim:
                faults.append(f"{name}: activations have one scale for the tensor")
            if node.op_type == "DequantizeLinear" and op(node.input[0]) != "QuantizeLinear":
                faults += _weight_faults(node, constants)
        if node.op_type == "Conv":
            inner = node not in (convolutions[0], convolutions[-1])
            dequantised = [op(tensor) == "DequantizeLinear" for tensor in node.input[:2]]
            if dequantised != [inner, inner]:
                faults.append(f"{name}: input and weights dequantised: {dequantised}, expected {inner}")
            if len(node.input) > 2 and constants[node.input[2]].dtype != np.float32:
                faults.append(f"{name}: bias is not float32")
            if "Relu" in kinds and "QuantizeLinear" in kinds:
                faults.append(f"{name}: quantised between Conv and Relu")
            if "QuantizeLinear" in kinds and not {c.op_type for c in _after(node, consumers)} <= {
                "Resize",
                "Pad",
                "Concat",
            }:
                faults.append(f"{name}: output is quantised, though it doesn't head for a concatenation")
        if node.op_type == "ConvTranspose" and "DequantizeLinear" in {op(tensor) for tensor in node.input}:
            faults.append(f"{name}: ConvTranspose is quantised")
        if node.op_type in ("MaxPool", "Concat", "Resize", "Pad"):
            data = list(node.input) if node.op_type == "Concat" else [node.input[0]]
            scales = {scale_before(tensor) for tensor in data} | {scale_after(node.output[0])}
            if len(scales) != 1:
                faults.append(f"{name}: {node.op_type} mixes scales {sorted(scales)}")
        if node.op_type in ("ArgMax", "Squeeze") and op(node.input[0]) != "Conv":
            faults.append(f"{name}: the network's result is quantised")
    return faults


def _weight_faults(node: NodeProto, constants: dict[str, np.ndarray]) -> list[str]:
    weight, scale = constants[node.input[0]], constants[node.input[1]]
    axis = next((helper.get_attribute_value(a) for a in node.attribute if a.name == "axis"), 1)
    faults = []
    if weight.dtype != np.int8 or (weight == -128).any():
        faults.append(f"{node.name}: weights are not symmetric int8")
    if axis != 0 or scale.shape != weight.shape[:1]:
        faults.append(f"{node.name}: weights want a scale for each output channel on axis 0")
    return faults


def _after(node: NodeProto, consumers: dict[str, list[NodeProto]]) -> list[NodeProto]:
    """The nodes that read a tensor, past its Q/DQ pair."""
    found, waiting = [], list(consumers.get(node.output[0], []))
    while waiting:
        reader = waiting.pop()
        if reader.op_type in ("QuantizeLinear", "DequantizeLinear"):
            waiting += consumers.get(reader.output[0], [])
        else:
            found.append(reader)
    return found
