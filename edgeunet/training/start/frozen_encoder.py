"""The trained encoder of a network, which does not change while the new layers learn the most."""

from __future__ import annotations

from collections.abc import Collection

from torch.nn.modules.batchnorm import _BatchNorm

from edgeunet.network.unet import UNet

ENCODER = ("inc.", "down.")
"""How the names of the contracting path's parameters begin."""


class FrozenEncoder:
    """The encoder's parameters that are trained already, and their batch norms; none in a network that is new."""

    def __init__(self, net: UNet, kept: Collection[str]) -> None:
        """kept: names of the trained parameters of the network."""
        own = {name for name in kept if name.startswith(ENCODER)}
        self._parameters = [p for name, p in net.named_parameters() if name in own]
        self._norms = [
            module for name, module in net.named_modules() if isinstance(module, _BatchNorm) and f"{name}.weight" in own
        ]
        self._state = (False, True)

    def freeze(self, *, frozen: bool, gradients: bool) -> bool:
        """Let the statistics of the batch norms stay, or move; returns whether anything has changed.

        gradients: whether they are computed, which a frozen encoder needs no more than drop_gradients() uses them.
        """
        before, self._state = self._state, (frozen, gradients)
        for norm in self._norms:
            norm.train(not frozen)
        for parameter in self._parameters:
            parameter.requires_grad_(gradients)
        return bool(self._parameters) and self._state != before

    def drop_gradients(self) -> None:
        """An optimiser does not change a parameter without a gradient."""
        if self._state[0]:
            for parameter in self._parameters:
                parameter.grad = None
