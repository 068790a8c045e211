"""A network that this project does not make: batch norms left in, residuals, depthwise filters, other activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.spec import METADATA_KEY, ModelSpec

SIZE = (64, 96)
CLASSES = DatasetFolder.open(samples.DATASET).classes


class Network:
    """A graph that grows node by node; every node has one output, named like the node."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._generator = np.random.default_rng(0)
        self.add("Cast", "float", "frame", to=TensorProto.FLOAT)
        self.add("Transpose", "planes", "float", perm=[0, 3, 1, 2])
        self.add("Mul", "input", "planes", self.constant("to_one", np.array(1 / 255)))

    def add(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def convolution(self, name: str, source: str, channels: tuple[int, int], *, groups: int = 1, size: int = 3) -> str:
        """Weights drawn so that activations keep their size; a bias."""
        shape = (channels[1], channels[0] // groups, size, size)
        weight = self._generator.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        stored = self.constant(f"{name}.weight", weight)
        bias = self.constant(f"{name}.bias", self._generator.normal(0, 0.05, channels[1]))
        return self.add("Conv", name, source, stored, bias, pads=[size // 2] * 4, group=groups)

    def norm(self, name: str, source: str, channels: int) -> str:
        draw = self._generator
        scale = self.constant(f"{name}.scale", draw.uniform(0.5, 2, channels))
        shift = self.constant(f"{name}.shift", draw.normal(0, 0.3, channels))
        mean = self.constant(f"{name}.mean", draw.normal(0, 0.2, channels))
        variance = self.constant(f"{name}.variance", draw.uniform(0.2, 2, channels))
        return self.add("BatchNormalization", name, source, scale, shift, mean, variance)

    def write(self, path: Path, logits: str) -> Path:
        """The contract around it: `mask` is the largest logit's class."""
        self.add("ArgMax", "index", logits, axis=1, keepdims=0)
        self.add("Cast", "index_float", "index", to=TensorProto.FLOAT)
        self.add("Cast", "mask", "index_float", to=TensorProto.UINT8)
        graph = helper.make_graph(
            self.nodes,
            "foreign",
            [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, *SIZE, 3])],
            [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, *SIZE])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {METADATA_KEY: ModelSpec(CLASSES, SIZE).to_json()})
        onnx.save(model, path)
        return path


def write_foreign_model(path: Path) -> Path:
    net = Network()
    x = net.convolution("stem", "input", (3, 16))
    x = net.add("LeakyRelu", "stem.act", net.norm("stem.norm", x, 16), alpha=0.1)
    skip = x
    x = net.convolution("depthwise", x, (16, 16), groups=16)
    x = net.add("Relu", "depthwise.act", net.norm("depthwise.norm", x, 16))
    x = net.convolution("pointwise", x, (16, 16), size=1)
    x = net.add("Add", "residual", x, skip)
    x = net.add("HardSwish", "residual.act", x)
    x = net.add("AveragePool", "pool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.convolution("deep", x, (16, 16))
    x = net.add("Relu", "deep.act", x)
    x = net.convolution("deeper", x, (16, 16))
    x = net.add("Relu", "deeper.act", x)
    doubled = net.constant("doubled", [1.0, 1.0, 2.0, 2.0])
    upsampled = net.add("Resize", "bilinear", x, "", doubled, mode="linear")
    kernel = net.constant("transposed.weight", np.random.default_rng(1).normal(0, 0.2, (16, 8, 2, 2)))
    transposed = net.add("ConvTranspose", "transposed", x, kernel, strides=[2, 2])
    x = net.add("Concat", "cat", upsampled, transposed, skip, axis=1)
    x = net.add("Relu", "fuse.act", net.convolution("fuse", x, (40, 16)))
    return net.write(path, net.convolution("head", x, (16, len(CLASSES)), size=1))
