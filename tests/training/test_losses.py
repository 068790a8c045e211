from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgeunet.spec import IGNORE
from edgeunet.training.losses import LossName, class_weights, make_loss

LOGITS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
WEIGHTS = torch.tensor([1.0, 2.0, 5.0])
NAMES: tuple[LossName, ...] = ("ce", "dice", "ce+dice")


def written_out(name: LossName, logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """The same losses as torch's own operators, for as many classes as there are logits."""
    entropy = functional.cross_entropy(
        logits, target.long().masked_fill(target == IGNORE, -100), weights, reduction="mean"
    )
    valid = (target != IGNORE).unsqueeze(1)
    share = torch.softmax(logits, 1) * valid
    known = target.masked_fill(target == IGNORE, 0).long()
    truth = functional.one_hot(known, logits.shape[1]).permute(0, 3, 1, 2) * valid
    sizes = (share + truth).sum((0, 2, 3))
    dice = 1 - ((2 * (share * truth).sum((0, 2, 3)) + 1) / (sizes + 1)).mean()
    return {"ce": entropy, "dice": dice, "ce+dice": entropy + dice}[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_loss_and_gradient_are_those_of_the_formula(name: LossName, weights: Tensor | None) -> None:
    target = TARGET.clone()
    target[0, 1, 2:] = IGNORE
    ours, torchs = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    loss, expected = make_loss(name, weights)(ours, target), written_out(name, torchs, target, weights)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    (3 * loss).backward()  # type: ignore[no-untyped-call]
    (3 * expected).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, torchs.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_one_logit_is_the_second_of_two(name: LossName) -> None:
    logit = LOGITS[:, :1].clone().requires_grad_()
    weights = torch.tensor([1.0, 3.0])
    both = torch.cat([torch.zeros_like(logit), logit], dim=1)
    expected = torch.autograd.grad(written_out(name, both, TARGET % 2, weights), logit)
    gradient = torch.autograd.grad(make_loss(name, weights)(logit, TARGET % 2), logit)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


def test_binary_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[[[0.0, 2.0]]]])
    target = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert make_loss("ce")(logits, target) == pytest.approx(expected, rel=1e-6)
    weighted = make_loss("ce", torch.tensor([1.0, 3.0]))(logits, target)
    assert weighted == pytest.approx((3 * math.log(2) + math.log(1 + math.exp(2))) / 4, rel=1e-6)


def test_dice_by_hand() -> None:
    """Probabilities of one half: of either class overlap 1, sizes 2 + 2, and the smoothing pixel."""
    target = torch.tensor([[[1, 1, 0, 0]]], dtype=torch.uint8)
    assert make_loss("dice")(torch.zeros(1, 1, 1, 4), target) == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_dice_is_nothing_for_the_right_mask_and_much_for_a_wrong_one() -> None:
    sure = 40 * functional.one_hot(TARGET.long(), 3).permute(0, 3, 1, 2).float()
    assert make_loss("dice")(sure, TARGET) == pytest.approx(0, abs=1e-4)
    assert make_loss("dice")(sure.roll(1, dims=1), TARGET) > 0.8


def test_a_sure_mistake_has_a_finite_loss_and_a_gradient() -> None:
    logits = torch.tensor([[[[-200.0]], [[200.0]]]], requires_grad=True)
    loss = make_loss("ce")(logits, torch.zeros(1, 1, 1, dtype=torch.uint8))
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert loss > 50
    assert logits.grad.flatten().tolist() == pytest.approx([-1, 1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_ignored_pixels_change_nothing(name: LossName, channels: int) -> None:
    loss = make_loss(name)
    target = TARGET % (2 if channels == 1 else 3)
    logits = LOGITS[:, :channels]
    wider = torch.cat([logits, 100 * torch.ones(2, channels, 4, 2)], dim=3)
    ignored = torch.cat([target, torch.full((2, 4, 2), IGNORE, dtype=torch.uint8)], dim=2)
    assert loss(wider, ignored) == pytest.approx(float(loss(logits, target)), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_crop_without_labels_has_a_finite_loss(name: LossName) -> None:
    nothing = torch.full((2, 4, 5), IGNORE, dtype=torch.uint8)
    for logits in (LOGITS, LOGITS[:, :1]):
        assert torch.isfinite(make_loss(name)(logits, nothing))


def test_rare_classes_weigh_more() -> None:
    weights = class_weights(np.array([79, 20, 1, 0]))
    assert weights[0] < weights[1] == 1 < weights[2] <= 8
    assert weights[3] == 1
