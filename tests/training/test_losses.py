from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgeunet.data.folder import Sample
from edgeunet.spec import IGNORE
from edgeunet.training.losses import class_weights, dice_loss, make_loss, pixel_loss

LOGITS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def test_cross_entropy_is_torchs() -> None:
    weights = torch.tensor([1.0, 2.0, 5.0])
    expected = functional.cross_entropy(LOGITS, TARGET.long(), weights)
    assert pixel_loss(LOGITS, TARGET, weights) == pytest.approx(float(expected), rel=1e-6)


def test_binary_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[[[0.0, 2.0]]]])
    target = torch.tensor([[[1, 0]]], dtype=torch.uint8)
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert pixel_loss(logits, target) == pytest.approx(expected, rel=1e-6)
    weighted = pixel_loss(logits, target, torch.tensor([1.0, 3.0]))
    assert weighted == pytest.approx((3 * math.log(2) + math.log(1 + math.exp(2))) / 4, rel=1e-6)


def test_dice_by_hand() -> None:
    """Probabilities of one half: overlap 1, sizes 2 + 2, and the smoothing pixel."""
    target = torch.tensor([[[1, 1, 0, 0]]], dtype=torch.uint8)
    assert dice_loss(torch.zeros(1, 1, 1, 4), target) == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_dice_is_nothing_for_the_right_mask_and_much_for_a_wrong_one() -> None:
    sure = 40 * functional.one_hot(TARGET.long(), 3).permute(0, 3, 1, 2).float()
    assert dice_loss(sure, TARGET) == pytest.approx(0, abs=1e-4)
    assert dice_loss(sure.roll(1, dims=1), TARGET) > 0.8


@pytest.mark.parametrize("name", ["ce", "dice", "ce+dice"])
@pytest.mark.parametrize("channels", [1, 3])
def test_ignored_pixels_change_nothing(name: str, channels: int) -> None:
    loss = make_loss(name)  # type: ignore[arg-type]
    target = TARGET % (2 if channels == 1 else 3)
    logits = LOGITS[:, :channels]
    wider = torch.cat([logits, 100 * torch.ones(2, channels, 4, 2)], dim=3)
    ignored = torch.cat([target, torch.full((2, 4, 2), IGNORE, dtype=torch.uint8)], dim=2)
    assert loss(wider, ignored) == pytest.approx(float(loss(logits, target)), rel=1e-5)


@pytest.mark.parametrize("name", ["ce", "dice", "ce+dice"])
def test_a_crop_without_labels_has_a_finite_loss(name: str) -> None:
    nothing = torch.full((2, 4, 5), IGNORE, dtype=torch.uint8)
    for logits in (LOGITS, LOGITS[:, :1]):
        assert torch.isfinite(make_loss(name)(logits, nothing))  # type: ignore[arg-type]


def test_the_sum_is_the_sum() -> None:
    total = make_loss("ce+dice")(LOGITS, TARGET)
    assert total == pytest.approx(float(pixel_loss(LOGITS, TARGET) + dice_loss(LOGITS, TARGET)))


def test_rare_classes_weigh_more() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[:, :2], mask[0, 2] = 1, 2
    weights = class_weights([Sample("a", np.zeros((10, 10, 3), np.uint8), mask)], 4)
    assert weights[0] < weights[1] == 1 < weights[2] <= 8
    assert weights[3] == 1
