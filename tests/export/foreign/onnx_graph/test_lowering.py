"""Operators that were written in another way, or not at all, in opset 17."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper

from edgeunet_export.foreign.import_model import Imported, import_model
from tests.export.foreign.foreign_models import FLOAT, SIZE, NetworkFile
from tests.export.foreign.test_import_model import SAID


def imported(network: NetworkFile, path: Path, opset: int) -> tuple[Imported, onnx.ModelProto]:
    network.body().result().save(path, opset=opset, ir=10)
    ours = path.with_name("ours.onnx")
    found = import_model(str(path), ours, SAID, force=False)
    return found, onnx.load(ours)


def _after(network: NetworkFile, node: NodeProto, channels: int) -> NetworkFile:
    network.nodes.append(node)
    network.tensor, network.channels = node.output[0], channels
    return network


def _reduced() -> NetworkFile:
    network = NetworkFile().conv(8)
    whole = network.tensor
    network.add("ReduceMean", network.exact(np.array([1])), keepdims=1).add("Concat", whole, axis=1)
    network.channels = 9
    return network


def _split() -> NetworkFile:
    network = NetworkFile().conv(7)
    return _after(network, helper.make_node("Split", [network.tensor], ["a", "b"], "s", axis=1, num_outputs=2), 4)


def _resized(antialias: int = 0) -> NetworkFile:
    network = NetworkFile().conv(8)
    sizes = network.exact(np.array([side // 2 for side in SIZE]))
    inputs, how = [network.tensor, "", "", sizes], {"mode": "linear", "axes": [2, 3], "antialias": antialias}
    return _after(network, helper.make_node("Resize", inputs, ["r"], "r", None, None, None, **how), 8)


def _padded() -> NetworkFile:
    network = NetworkFile().conv(8)
    pads, axes = network.exact(np.array([1, 1, 1, 1])), network.exact(np.array([2, 3]))
    network.add("Pad", pads, "", axes)
    return network.add("Slice", network.exact(np.array([1, 1])), network.exact(np.array([-1, -1])), axes)


def _normalised() -> NetworkFile:
    network = NetworkFile().conv(8).add("Gelu").add("Mish")
    ones, zeros = (network.constant(np.full(8, value, np.float32)) for value in (1, 0))
    return network.add("GroupNormalization", ones, zeros, num_groups=2)


@pytest.mark.parametrize("network", [_reduced, _split, _resized, _padded, _normalised])
def test_newer_operators_become_older_ones(tmp_path: Path, network: Callable[[], NetworkFile]) -> None:
    found, model = imported(network(), tmp_path / "theirs.onnx", 21)
    assert model.opset_import[0].version == 17
    assert model.ir_version == 8
    assert found.proof.agreement > 0.999
    assert not {node.op_type for node in model.graph.node} & {"Gelu", "Mish", "GroupNormalization", "CastLike"}


def test_an_operator_that_cannot_be_lowered_is_said(tmp_path: Path) -> None:
    found, model = imported(_resized(1), tmp_path / "theirs.onnx", 18)
    assert model.opset_import[0].version == 18
    assert found.network.notes == ("stays at opset 18: Resize has antialias",)


def test_a_branch_that_the_size_decides_is_followed(tmp_path: Path) -> None:
    network = NetworkFile().conv(8)
    kept = network.tensor
    branches = {}
    for name, op in (("then_branch", "Relu"), ("else_branch", "Neg")):
        node = helper.make_node(op, [kept], [op])
        branches[name] = helper.make_graph([node], op, [], [helper.make_tensor_value_info(op, FLOAT, None)])
    network.add("Shape", first="input").add("Gather", network.exact(np.array(2)))
    network.add("Greater", network.exact(np.array(10))).add("If", **branches)
    _, model = imported(network, tmp_path / "theirs.onnx", 17)
    assert {"If", "Neg"}.isdisjoint(node.op_type for node in model.graph.node)
