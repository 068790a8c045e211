"""A brief training on the sample frames: enough that a lost point of mIoU means something."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from tests.networks import architectures
from tests.networks.sources import SIZE

STEPS = 30
BATCH = 4
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def trained(name: str) -> nn.Module:
    """The network of that name, seeded, after STEPS steps, in eval mode."""
    torch.manual_seed(0)
    network: nn.Module = getattr(architectures, name)()
    images, masks = _frames()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    network.train()
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,))
        image, mask = images[chosen], masks[chosen]
        if torch.rand(()) < 0.5:
            image, mask = image.flip(3), mask.flip(2)
        loss = F.cross_entropy(_scores(network(image)), mask, ignore_index=255)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return network.eval()


def _frames() -> tuple[Tensor, Tensor]:
    """(N, 3, height, width) float32 and (N, height, width) int64: the train split, stretched to SIZE."""
    images, masks = [], []
    for sample in load_split(DatasetFolder.open(samples.DATASET), "train"):
        frame, mask = (
            cv2.resize(np.asarray(pixels), SIZE[::-1], interpolation=way)
            for pixels, way in ((sample.frame, cv2.INTER_AREA), (sample.mask, cv2.INTER_NEAREST))
        )
        images.append(((frame[:, :, ::-1] / np.float32(255) - MEAN) / STD).transpose(2, 0, 1))
        masks.append(mask.astype(np.int64))
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))


def _scores(found: Any) -> Tensor:
    """At the size of the frames."""
    if isinstance(found, dict):  # torchvision's "out", transformers' "logits"
        found = found["out"] if "out" in found else found["logits"]
    return F.interpolate(found, SIZE, mode="bilinear")
