"""Going on from an earlier network: its encoder and decoder, and the part of its head for classes of the same name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edgeunet.network.first_convolution import for_channels
from edgeunet.network.unet import UNet
from edgeunet.spec import ModelSpec

_FIRST, _HEAD = "inc.0.weight", "out."
"""Names of the first convolution's weights, and how those of the last one's begin."""


@dataclass(frozen=True)
class ContinuedNetwork:
    """A network for new classes that starts from an earlier one.

    kept: names of the parameters that are trained already; the head learns as a new one, whatever it kept.
    changes: one line for people on each part: what is kept, and what is new.
    """

    net: UNet
    kept: frozenset[str]
    changes: tuple[str, ...]


def continued(earlier: UNet, trained: ModelSpec, spec: ModelSpec, *, seed: int) -> ContinuedNetwork:
    """A network for `spec`, with what `earlier` has learnt for `trained`; the rest is new, and follows from the seed.

    Classes count as the same if their names are equal, whatever their indices.
    """
    torch.manual_seed(seed)
    net = UNet(replace(earlier.config, classes=spec.logits, in_channels=spec.channels))
    tensors = {name: tensor for name, tensor in earlier.state_dict().items() if not name.startswith(_HEAD)}
    tensors[_FIRST] = for_channels(tensors[_FIRST], spec.channels)
    net.load_state_dict(net.state_dict() | tensors)
    shared = [name for name in spec.names if name in trained.names]
    old, rows = _rows(earlier), _rows(net)
    for name in shared:
        for new, known in zip(rows, old, strict=True):
            new[spec.names.index(name)] = known[trained.names.index(name)]
    _set_rows(net, rows)
    kept = frozenset(name for name, _ in net.named_parameters() if not name.startswith(_HEAD))
    return ContinuedNetwork(net.eval(), kept, tuple(_changes(trained, spec, shared)))


def _changes(trained: ModelSpec, spec: ModelSpec, shared: Sequence[str]) -> Iterable[str]:
    yield "encoder and decoder: kept"
    if spec.channels != trained.channels:
        yield f"first convolution: changed from {trained.channels} to {spec.channels} channel(s)"
    parts = {
        "kept": shared,
        "new": [name for name in spec.names if name not in shared],
        "left out": [name for name in trained.names if name not in shared],
    }
    said = [f"{what} {', '.join(names)}" for what, names in parts.items() if names]
    yield f"head: {'; '.join(said)}"


def _rows(net: UNet) -> tuple[Tensor, Tensor]:
    """Copies of the head's weights (classes, …) and biases (classes): half of a single logit is each class's."""
    weight, bias = (tensor.detach().clone() for tensor in _head(net))
    return (weight, bias) if net.config.classes > 1 else (_both(weight), _both(bias))


def _set_rows(net: UNet, rows: tuple[Tensor, Tensor]) -> None:
    for own, row in zip(_head(net), rows, strict=True):
        own.detach().copy_(row if net.config.classes > 1 else row[1:] - row[:1])


def _both(logit: Tensor) -> Tensor:
    return torch.cat([-logit, logit]) / 2


def _head(net: UNet) -> tuple[Tensor, Tensor]:
    """The last layer's weights, outputs first, and its biases; they share memory with the network."""
    weight, bias = net.out.get_parameter("weight"), net.out.get_parameter("bias")
    return weight.transpose(0, 1) if isinstance(net.out, nn.ConvTranspose2d) else weight, bias
