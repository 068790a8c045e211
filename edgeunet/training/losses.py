"""Losses: cross-entropy (binary for one logit), Dice, and their sum.

Binary cross-entropy: -[t log p + (1 - t) log(1 - p)]; cross-entropy: -log p of the right class.
Dice: 1 - 2 |P ∩ T| / (|P| + |T|), with probabilities for P (Milletari, Navab, Ahmadi, "V-Net",
3DV 2016, arXiv:1606.04797), without its squares, averaged over classes.

Sums go over the parts of the batch in all processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgeunet.data.folder import Sample
from edgeunet.spec import IGNORE
from edgeunet.training.distributed import summed

LossName = Literal["ce", "dice", "ce+dice"]
Loss = Callable[[Tensor, Tensor], Tensor]
_SMOOTH = 1.0  # pixels; a class that is neither there nor predicted loses nothing


def pixel_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over counted pixels of the (binary) cross-entropy, each weighted by its class.

    logits: float [N, C, H, W], C = 1 for binary. target: uint8 [N, H, W], IGNORE where it does not count.
    weights: float [classes] or None for ones. As in torch, the mean is over the weights.
    """
    if logits.shape[1] > 1:
        sums = functional.cross_entropy(logits, target.long(), weights, ignore_index=IGNORE, reduction="sum")
        counted = target[target != IGNORE].long()
        total = weights[counted].sum() if weights is not None else sums.new_tensor(float(counted.numel()))
        return _mean(sums, total)
    valid = (target != IGNORE).float()
    truth = (target == 1).float()
    if weights is not None:
        valid = valid * torch.where(target == 1, weights[1], weights[0])
    losses = functional.binary_cross_entropy_with_logits(logits[:, 0], truth, reduction="none")
    return _mean((losses * valid).sum(), valid.sum())


def _mean(sums: Tensor, total: Tensor) -> Tensor:
    sums, total = summed(torch.stack([sums, total])).unbind()
    return sums / total.clamp(min=1e-6)


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 minus the Dice coefficient, averaged over the classes, pooled over the batch. Shapes as in pixel_loss."""
    valid = (target != IGNORE).unsqueeze(1).float()
    if logits.shape[1] == 1:
        share, truth = torch.sigmoid(logits), (target == 1).unsqueeze(1).float()
    else:
        share = torch.softmax(logits, dim=1)
        known = torch.where(target == IGNORE, 0, target).long()
        truth = functional.one_hot(known, logits.shape[1]).permute(0, 3, 1, 2).float()
    share, truth = share * valid, truth * valid
    overlap = (share * truth).sum((0, 2, 3))
    sizes = share.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    overlap, sizes = summed(torch.stack([overlap, sizes])).unbind()
    return (1 - (2 * overlap + _SMOOTH) / (sizes + _SMOOTH)).mean()


def make_loss(name: LossName, weights: Tensor | None = None) -> Loss:
    """The loss of that name; weights [classes] apply to the cross-entropy."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        logits = logits.float()
        if name == "ce":
            return pixel_loss(logits, target, weights)
        if name == "dice":
            return dice_loss(logits, target)
        return pixel_loss(logits, target, weights) + dice_loss(logits, target)

    return loss


def class_weights(samples: Sequence[Sample], classes: int) -> Tensor:
    """Weights that grow with a class's rarity, float [classes]: sqrt(median share / share), at most 8.

    The square root of median-frequency balancing (Eigen and Fergus, ICCV 2015, arXiv:1411.4734):
    the full weight makes thin, rare classes bleed over their neighbours. A class that never occurs
    gets 1.
    """
    counts = np.zeros(256, np.int64)
    for sample in samples:
        counts += np.bincount(sample.mask.ravel(), minlength=256)
    shares = counts[:classes] / max(1, counts[:classes].sum())
    weights = np.ones(classes)
    present = shares > 0
    weights[present] = np.sqrt(np.median(shares[present]) / shares[present]).clip(max=8)
    return torch.from_numpy(weights).float()
