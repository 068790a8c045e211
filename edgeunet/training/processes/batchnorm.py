"""Batch norm over the batches of all processes, so that several processes learn the same as one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeunet.training.processes import distributed


def synchronized(net: nn.Module, device: torch.device) -> None:
    """Replace every batch norm by one over all processes, in place; names and parameters stay.

    On GPUs it is torch's own SyncBatchNorm, which has no CPU implementation.
    """
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                kind = nn.SyncBatchNorm if device.type == "cuda" else SynchronizedBatchNorm
                norm = kind(child.num_features, child.eps, child.momentum)
                norm.weight, norm.bias = child.weight, child.bias
                norm.running_mean, norm.running_var = child.running_mean, child.running_var
                norm.num_batches_tracked = child.num_batches_tracked
                setattr(parent, name, norm.train(child.training))


class SynchronizedBatchNorm(nn.BatchNorm2d):
    """Batch norm with the mean and variance of all processes' batches, which have one size."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape and dtype; the statistics are float32."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        variance, mean = torch.var_mean(wide, (0, 2, 3), correction=0)
        # Each process's row, in one sum over all of them; the variance from there as Chan, Golub and LeVeque
        # (1979) merge it, because a mean of squares minus the square of the mean cancels.
        count = distributed.size()
        rows = torch.zeros(count, 2, self.num_features, device=x.device)
        rows[distributed.rank()] = torch.stack([mean, variance])
        means, variances = distributed.summed(rows).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean) ** 2).mean(0)
        self._follow(mean.detach(), variance.detach(), count * x.numel() // self.num_features)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return ((wide - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the statistics for evaluation towards those of a batch of `count` values a channel."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
