import pytest
import torch
from torch import Tensor, nn

from edgeunet.errors import ExportError
from export.fold import folded
from export.translate import translated
from tests.export.conftest import NEAREST, TRANSPOSE
from tests.export.networks import network, spec_for


def test_nodes_bear_the_paths_of_their_modules() -> None:
    size = (50, 66)  # not divisible by 4: the upsampled path is padded
    net = folded(network(NEAREST, size), spec_for(NEAREST, size))
    fragment = translated(net, size, source="x", output="logits")
    names = {node.name: node.op_type for node in fragment.nodes}
    assert names["down.1.1.0"] == "Conv"
    assert names["inc.2"] == "Relu"
    assert names["up.0.up.1"] == "Resize"
    assert names["up.0.pad"] == "Pad"
    assert names["up.0.cat"] == "Concat"
    assert len(names) == len(fragment.nodes)
    assert all(node.output[0] == node.name for node in fragment.nodes[:-1])
    assert fragment.nodes[-1].name == "out"
    assert fragment.nodes[0].input[0] == "x"
    assert fragment.nodes[-1].output[0] == "logits"


def test_every_weight_is_there_under_its_own_name() -> None:
    size = (32, 48)
    net = folded(network(TRANSPOSE, size), spec_for(TRANSPOSE, size))
    fragment = translated(net, size, source="x", output="logits")
    assert {t.name for t in fragment.initializers} == {name for name, _ in net.named_parameters()}


def test_one_module_used_twice_gives_two_names() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(torch.cat([self.act(x), x], dim=1))  # type: ignore[no-any-return]

    fragment = translated(Twice(), (4, 4), source="x", output="y")
    assert [node.name for node in fragment.nodes] == ["act", "cat", "act.2"]


def test_an_operator_without_translation_is_named() -> None:
    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sin()

    with pytest.raises(ExportError, match=r"aten\.sin\.default"):
        translated(Sine(), (4, 4), source="x", output="y")
