"""Losses: cross-entropy (binary for one logit), Dice, and their sum.

With p the probabilities, t a pixel's class, w its weight and n the number of classes:

    cross-entropy  Σ -w log p_t / Σ w
    Dice           1 - Σ_c d_c / n,  d_c = (2 Σ p_c [t = c] + 1) / (Σ p_c + Σ [t = c] + 1)

(Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, arXiv:1606.04797, without its squares). Sums go over the counted
pixels of the whole batch, over the parts of it in all processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeunet.network.unet import both_logits
from edgeunet.spec import IGNORE
from edgeunet.training.processes import distributed

LossName = Literal["ce", "dice", "ce+dice"]
Loss = Callable[[Tensor, Tensor], Tensor]
_PARTS: dict[str, tuple[float, float]] = {"ce": (1.0, 0.0), "dice": (0.0, 1.0), "ce+dice": (1.0, 1.0)}
_LEAST = 1e-30  # the least probability in the logarithm; the gradient stays exact
_SMOOTH = 1.0  # pixels; a class that is neither labelled nor predicted has no loss


def make_loss(name: LossName, weights: Tensor | None = None) -> Loss:
    """The loss of that name, of logits float [N, C, H, W], C = 1 for binary, and masks uint8 [N, H, W].

    Pixels that are IGNORE do not count. weights: float [classes], for the cross-entropy; None for ones.
    """
    parts = _PARTS[name]

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        logits = both_logits(logits)
        of_class = logits.new_ones(logits.shape[1]) if weights is None else weights
        result: Tensor = _CrossEntropyAndDice.apply(logits, target, of_class.float(), parts)  # type: ignore[no-untyped-call]
        return result

    return loss


class _CrossEntropyAndDice(torch.autograd.Function):
    """Both losses and their gradient by the formula, in few passes over the logits.

    Autograd would go through a dozen tensors of the logits' size, which on a CPU takes as long as a compact network
    (benchmarks/studies/training.py measures it).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, weights: Tensor, parts: tuple[float, float]) -> Tensor:
        batch, classes = logits.shape[:2]
        # Plane by plane: a softmax over eleven neighbouring numbers takes 15 times as long.
        planes = logits.detach().to(torch.float32, memory_format=torch.contiguous_format).view(batch, classes, -1)
        share = torch.softmax(planes, dim=1)  # (N, C, pixels); the tensors below have no C
        valid = target.view(batch, -1) != IGNORE
        counted = valid.float()
        known = target.view(batch, -1).masked_fill(~valid, 0).long()
        right = share.gather(1, known.unsqueeze(1)).squeeze(1) * counted
        weight = _of_class(weights, known) * counted

        sums = torch.cat(
            [
                _by_class(known, right, classes),
                torch.bmm(share, counted.unsqueeze(2)).sum((0, 2)) + _by_class(known, counted, classes),
                (weight * torch.log(right.clamp(min=_LEAST))).sum().neg().view(1),
                weight.sum().view(1),
            ]
        )
        sums = distributed.summed(sums)
        overlap, sizes, entropy, total = sums[:classes], sums[classes:-2], sums[-2], sums[-1].clamp(min=1e-6)
        dice = (2 * overlap + _SMOOTH) / (sizes + _SMOOTH)
        loss = parts[0] * entropy / total + parts[1] * (1 - dice.mean())

        # d loss / d share without the entropy's: `fall` for every pixel's own class, and `rise` for each class.
        rise = parts[1] * dice / (sizes + _SMOOTH) / classes
        fall = _of_class(parts[1] * 2 / (sizes + _SMOOTH) / classes, known) * right
        weight *= parts[0] / total
        # Through the softmax: share × (its own derivative - the mean of all by share).
        common = weight - torch.matmul(rise, share) + fall
        gradient = torch.addcmul(share * rise.view(1, -1, 1), share, common.unsqueeze(1))
        gradient.scatter_add_(1, known.unsqueeze(1), (-fall - weight).unsqueeze(1))
        gradient *= counted.unsqueeze(1) * distributed.size()  # which DistributedDataParallel divides by
        ctx.save_for_backward(gradient.view(logits.shape).to(logits.dtype))
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0], None, None, None


def _of_class(values: Tensor, known: Tensor) -> Tensor:
    """The value (classes) of every pixel's class."""
    return values.index_select(0, known.view(-1)).view(known.shape)


def _by_class(known: Tensor, values: Tensor, classes: int) -> Tensor:
    """The sum of a value of every pixel, for each class (classes)."""
    return torch.bincount(known.view(-1), values.view(-1), classes).float()


def class_weights(pixels: NDArray[np.int64]) -> Tensor:
    """Weights that grow with a class's rarity, float [classes]: sqrt(median share / share), at most 8.

    pixels: (classes,), of each class. The square root of median-frequency balancing (Eigen and Fergus, ICCV 2015,
    arXiv:1411.4734): the full weight makes thin, rare classes bleed over their neighbours. A class that never occurs
    gets 1.
    """
    shares = pixels / max(1, pixels.sum())
    weights = np.ones(len(pixels))
    present = shares > 0
    weights[present] = np.sqrt(np.median(shares[present]) / shares[present]).clip(max=8)
    return torch.from_numpy(weights).float()
