import pytest
import torch
from onnx import helper
from torch import Tensor, nn

from edgeunet.errors import ExportError
from edgeunet.network.fold_batchnorm import folded
from edgeunet.network.unet import UNetConfig
from edgeunet_export.graph.translate import translated
from tests.export.conftest import COMPACT, NEAREST, TRANSPOSE
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


def test_a_residual_block_and_the_crop_of_an_odd_size_have_names_too() -> None:
    size = (51, 67)
    net = folded(network(COMPACT, size), spec_for(COMPACT, size))
    fragment = translated(net, size, source="x", output="logits")
    names = {node.name: node for node in fragment.nodes}
    assert len(names) == len(fragment.nodes)
    assert list(names["down.1.3.add"].input) == ["down.1.3.conv.3", "down.1.2.relu"]
    assert list(names["down.1.3.relu"].input) == ["down.1.3.add"]
    attributes = {a.name: helper.get_attribute_value(a) for a in names["down.1.3.conv.0"].attribute}
    assert (attributes["dilations"], attributes["pads"]) == ([2, 2], [2, 2, 2, 2])
    assert [node.op_type for node in fragment.nodes[-3:]] == ["ConvTranspose", "Slice", "Slice"]
    assert fragment.nodes[-3].name == "out"


@pytest.mark.parametrize("config", [TRANSPOSE, COMPACT])
def test_every_weight_is_there_under_its_own_name(config: UNetConfig) -> None:
    size = (32, 48)
    net = folded(network(config, size), spec_for(config, size))
    fragment = translated(net, size, source="x", output="logits")
    stored = {t.name for t in fragment.initializers if not t.name.endswith(".scales")}  # of a Resize
    assert stored == {name for name, _ in net.named_parameters()}


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
