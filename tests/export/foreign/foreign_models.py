"""Networks of other tools, made by hand: small, with seeded weights, in all the forms that tools write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

SIZE = (48, 64)
CLASSES = 5  # as the sample frames have
FLOAT, HALF, UINT8 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8


class NetworkFile:
    """A graph that grows node by node; `tensor` is the newest one, of `channels` channels."""

    def __init__(
        self, shape: Sequence[int | str | None] = (1, 3, *SIZE), dtype: int = FLOAT, *, name: str = "input"
    ) -> None:
        self.inputs = [helper.make_tensor_value_info(name, dtype, shape)]
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []
        self.outputs: list[tuple[str, int]] = []
        self.dtype = FLOAT if dtype == UINT8 else dtype
        self.tensor, self.channels = name, 3
        self.random = np.random.default_rng(1)

    def exact(self, value: NDArray[Any]) -> str:
        """Store a value as it is; returns its name."""
        self.stored.append(numpy_helper.from_array(value, f"constant_{len(self.stored)}"))
        return self.stored[-1].name

    def constant(self, value: NDArray[np.float32]) -> str:
        """Store a value in the network's type; returns its name."""
        return self.exact(value.astype(np.float16) if self.dtype == HALF else value)

    def add(self, op: str, *more: str, name: str = "", first: str = "", **attributes: Any) -> NetworkFile:
        """A node that reads the newest tensor, or `first`, and then `more`."""
        output = name or f"tensor_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [first or self.tensor, *more], [output], output, **attributes))
        self.tensor = output
        return self

    def conv(self, channels: int, kernel: int = 3, stride: int = 1) -> NetworkFile:
        scale = 2 / np.sqrt(self.channels * kernel**2)
        weights = self.random.normal(0, scale, (channels, self.channels, kernel, kernel)).astype(np.float32)
        bias = self.random.normal(0, 0.1, channels).astype(np.float32)
        pad = kernel // 2
        self.add("Conv", self.constant(weights), self.constant(bias), strides=[stride] * 2, pads=[pad] * 4)
        self.channels = channels
        return self

    def body(self, classes: int = CLASSES, *, shrink: int = 1) -> NetworkFile:
        """Two convolutions and a head: scores of each class, at the frame's size divided by `shrink`."""
        self.conv(8, stride=shrink).add("Relu").conv(8).add("Relu")
        return self.conv(classes, kernel=1)

    def enlarge(self, by: int, way: str = "half_pixel") -> NetworkFile:
        region, scales = self.exact(np.zeros(0, np.float32)), self.exact(np.array([1, 1, by, by], np.float32))
        return self.add("Resize", region, scales, mode="linear", coordinate_transformation_mode=way)

    def result(self, name: str = "logits", dtype: int | None = None) -> NetworkFile:
        """Make the newest tensor an output of this name."""
        kept = self.tensor
        self.nodes.append(helper.make_node("Identity", [kept], [name], name))
        self.outputs.append((name, dtype or self.dtype))
        return self

    def save(self, path: Path, *, opset: int = 17, ir: int = 8, metadata: dict[str, str] | None = None) -> Path:
        outputs = [helper.make_tensor_value_info(name, dtype, None) for name, dtype in self.outputs]
        graph = helper.make_graph(self.nodes, "theirs", self.inputs, outputs, self.stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
        helper.set_model_props(model, metadata or {})
        onnx.save(model, path)
        return path


def write_bright_network(path: Path) -> Path:
    """A network that knows the classes of tests/datasets.py by their brightness, for frames from 0 to 1."""
    network = NetworkFile()
    weights = np.array([0, 1, -1], np.float32).reshape(3, 1, 1, 1) / 3 * np.ones((1, 3, 1, 1), np.float32)
    bias = np.array([0, -180, 70], np.float32) / 255  # ground, disc, bar
    return network.add("Conv", network.exact(weights), network.exact(bias)).result().save(path)
