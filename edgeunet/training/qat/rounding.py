"""Rounding to the numbers that INT8 has, with gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edgeunet.quantisation.clipping import TOP


def rounded(x: Tensor, step: Tensor, lowest: int, highest: int) -> Tensor:
    """The nearest of lowest * step to highest * step for every value of x, float32 of any shape.

    step: one number. Gradients as in Esser et al., "Learned Step Size Quantization", ICLR 2020 (arXiv:1902.08153):
    that of x is passed on where x is not clipped, that of the step is equation 3, scaled as in section 2.2.
    """
    result: Tensor = _Rounded.apply(x.float(), step, lowest, highest)  # type: ignore[no-untyped-call]
    return result


def weight_steps(weight: Tensor) -> Tensor:
    """The steps (out,) of weights (out, in, height, width): the largest weight of each output channel is TOP steps."""
    steps = weight.detach().float().abs().amax(dim=(1, 2, 3)) / TOP
    return torch.where(steps > 0, steps, 1.0)


def passed_through(x: Tensor, steps: Tensor) -> Tensor:
    """The nearest whole number of steps for every value, with the gradients of x; steps: along the first axis."""
    steps = steps.reshape(-1, *(1,) * (x.ndim - 1))
    nearest: Tensor = (x.detach() / steps).round() * steps
    return _Passed.apply(x, nearest)  # type: ignore[no-untyped-call,no-any-return]


class _Passed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, nearest: Tensor) -> Tensor:
        return nearest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return gradients[0], None


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, lowest: int, highest: int) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.limits = lowest, highest
        return (x / step).round_().clamp_(lowest, highest).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, step), (lowest, highest) = gradients, ctx.saved_tensors, ctx.limits
        steps = x / step
        inside = (steps >= lowest) & (steps <= highest)
        of_step = torch.where(inside, steps.round() - steps, steps.clamp(lowest, highest))
        scale = (x.numel() * highest) ** -0.5
        return gradient * inside, (gradient * of_step).sum() * scale, None, None
