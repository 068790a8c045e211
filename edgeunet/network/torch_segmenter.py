"""Masks from a network in PyTorch: the reference that every exported file is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.imaging.tiling import Tiling, fitted_tiles
from edgeunet.network.checkpoint import load_model_at
from edgeunet.network.unet import NormalisedUNet, UNet
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
        masks = [
            self._model.masks(torch.from_numpy(tile).to(self._device))[0].cpu().numpy()
            for tile in fitted_tiles(frame, self.spec)
        ]
        letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), self.spec)
        return letterbox.restore_mask(Tiling.of(self.spec).join(masks))


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
