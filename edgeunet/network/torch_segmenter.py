"""Masks from a network in PyTorch: the reference that every exported file is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.imaging.tiling import Float32, Tiling, fitted_tiles
from edgeunet.network.checkpoint import load_model_at
from edgeunet.network.unet import NormalisedUNet, UNet, both_logits, mask_from_logits
from edgeunet.spec import ModelSpec
from edgeunet.utils import console


class TorchSegmenter:
    """Runs a network, in eval mode and float32, on single frames of any size."""

    def __init__(self, net: UNet, spec: ModelSpec, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._model = NormalisedUNet(net, spec).to(self._device).eval()
        self.spec = spec

    @torch.no_grad()
    def segment(self, frame: Pixels) -> UInt8:
        """The mask at the frame's own size: a frame [h, w, …], as a session takes it → uint8 [h, w] class indices."""
        masks = [mask_from_logits(logits)[0].cpu().numpy() for logits in self._logits(frame)]
        letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), self.spec)
        return letterbox.restore_mask(Tiling.of(self.spec).join(masks))

    @torch.no_grad()
    def class_logits(self, frame: Pixels) -> Float32:
        """Of each class, float32 [classes, H, W], at the network's size without the letterbox's bars.

        The largest is the class of segment(), which gives the mask at the frame's own size.
        """
        tiles = [both_logits(logits)[0].cpu().numpy() for logits in self._logits(frame)]
        tiling, letterbox = Tiling.of(self.spec), Letterbox.of((frame.shape[0], frame.shape[1]), self.spec)
        planes = [letterbox.inside(tiling.join([tile[c] for tile in tiles])) for c in range(len(self.spec.classes))]
        return np.stack(planes)

    def _logits(self, frame: Pixels) -> Iterator[Tensor]:
        """Of each tile, [1, C, H, W]."""
        for tile in fitted_tiles(frame, self.spec):
            yield self._model(torch.from_numpy(tile).to(self._device))


@contextmanager
def open_checkpoint(
    path: str | Path, size: tuple[int, int] | None = None, tiles: tuple[int, int] | None = None
) -> Iterator[TorchSegmenter]:
    """A checkpoint's network, used like a session. size, tiles: see load_model_at; says on stderr what they change.

    Raises ModelFileError if the file is not a checkpoint.
    """
    net, trained, spec = load_model_at(path, size, tiles)
    if spec.input_text != trained.input_text:
        console.stderr().print(f"note: {path} was trained at {trained.input_text}, and runs at {spec.input_text}")
    yield TorchSegmenter(net, spec)
