"""PyTorch in float16, from a frame in host memory to a mask in host memory: what an engine is compared with."""

from __future__ import annotations

from pathlib import Path

import torch

from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import mask_from_logits


class TorchFloat16:
    """One checkpoint, eager or compiled.

    As a careful user would write it: channels-last, page-locked buffers allocated once, normalisation, network and
    argmax on the GPU, so that one byte a pixel is copied back.
    """

    def __init__(self, checkpoint: Path, *, compiled: bool, device: str = "cuda") -> None:
        net, self.spec = load_model(checkpoint)
        self._net = net.half().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean, self._std = (
            torch.tensor(value, device=device).view(1, 3, 1, 1) for value in (self.spec.mean, self.spec.std)
        )
        height, width = self.spec.input_size
        locked = device == "cuda"
        self._frame = torch.empty((1, height, width, 3), dtype=torch.uint8, pin_memory=locked)
        self._mask = torch.empty((1, height, width), dtype=torch.uint8, pin_memory=locked)
        # "reduce-overhead" replays CUDA graphs, as the engine's session does.
        self._forward = torch.compile(self._masks, mode="reduce-overhead") if compiled else self._masks

    def run(self, frame: UInt8) -> UInt8:
        """uint8 [h, w, 3] → the mask, uint8 [H, W]."""
        letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), self.spec)
        letterbox.fit(frame, out=self._frame[0].numpy())
        with torch.inference_mode():
            self._mask.copy_(self._forward(self._frame.to(self._mean.device, non_blocking=True)))
        mask: UInt8 = self._mask[0].numpy().copy()
        return mask

    def _masks(self, frames: torch.Tensor) -> torch.Tensor:
        planes = (frames.permute(0, 3, 1, 2).float() - self._mean) / self._std
        return mask_from_logits(self._net(planes.half()))
