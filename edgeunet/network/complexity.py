"""What a network costs: parameters, operations, and the memory its activations need."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from edgeunet.network.unet import UNet, UNetConfig


@dataclass(frozen=True)
class Complexity:
    """parameters: learnt numbers. flops: for one frame, 2 for each multiply-add, convolutions only.
    activation_bytes: most bytes of float32 activations alive at one moment, as PyTorch runs it, input included."""

    parameters: int
    flops: int
    activation_bytes: int


def complexity(config: UNetConfig, size: tuple[int, int]) -> Complexity:
    """Count for one frame of `size` (height, width) on torch's meta device: shapes only, nothing is computed."""
    with torch.device("meta"):
        net = UNet(config).eval()
        frame = torch.empty(1, config.in_channels, *size)
    parameters = sum(p.numel() for p in net.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as flops, _LiveBytes(frame) as memory:
        net(frame)
    return Complexity(parameters, int(flops.get_total_flops()), memory.peak)


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages that operations create, for as long as Python keeps them."""

    def __init__(self, *alive: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seen: set[int] = set()
        self._live = self.peak = 0
        for tensor in alive:
            self._watch(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self._watch(value)
        return result

    def _watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen or size == 0:  # an operation in place, or a view
            return
        self._seen.add(key)
        self._live += size
        self.peak = max(self.peak, self._live)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._live -= size
