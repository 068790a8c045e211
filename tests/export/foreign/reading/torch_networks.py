"""Small networks in PyTorch, in the forms that users have; imported by their address in the tests."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5  # as the sample frames have
ADDRESS = __name__


class Segmenter(nn.Module):
    """Scores at half the size; batch norm makes training and inference differ."""

    def __init__(self, width: int = 8, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.Hardswish()
        )
        self.head = nn.Conv2d(width, CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(image))
        return scores


class LikeTorchvision(Segmenter):
    """A dictionary, with an auxiliary output of the same size that comes first."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        scores = F.interpolate(self.head(self.body(image)), image.shape[2:], mode="bilinear")
        return {"aux": -scores, "out": scores}


class ThroughNumPy(Segmenter):
    """Leaves PyTorch on the way, so that the exporter sees a constant."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.from_numpy(super().forward(image).detach().numpy())


class OfMultiples(Segmenter):
    """Takes sides of multiples of 32 only, as most encoders do."""

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[2] % 32 or image.shape[3] % 32:
            raise RuntimeError("height and width must be divisible by 32")
        return super().forward(image)


class Antialiased(Segmenter):
    """Has an operator that the exporter of opset 17 does not know."""

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(super().forward(image), scale_factor=0.5, mode="bilinear", antialias=True)


class Classifier(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image.mean((2, 3))


def wide() -> nn.Module:
    return Segmenter(width=16)


def grey() -> nn.Module:
    return Segmenter(channels=1)


def broken() -> nn.Module:
    raise OSError("no such encoder")


def number() -> int:
    return 3


READY = Segmenter()


def write_torch_network(folder: Path) -> None:
    """their_package.py, weights.pt and scripted.pt: one network of the three classes of tests/datasets.py."""
    source = "from torch import nn\n\n\ndef build_network():\n    return nn.Conv2d(3, 3, 1)\n"
    (folder / "their_package.py").write_text(source)
    network = nn.Conv2d(3, 3, 1)
    torch.save(network.state_dict(), folder / "weights.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch advises another format
        cast(Any, torch.jit.script(network)).save(str(folder / "scripted.pt"))
