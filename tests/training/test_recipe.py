from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from edgeunet.errors import UsageError
from edgeunet.training.recipe import RECIPES, Recipe

RECIPE = RECIPES["quick"]


def test_a_handful_of_frames_gets_more_passes() -> None:
    assert RECIPE.steps(9) == RECIPE.min_steps
    assert RECIPE.steps(4000) == RECIPE.epochs * 4000 / RECIPE.batch


def test_cosine_rises_in_a_line_and_falls_to_nothing() -> None:
    recipe = replace(RECIPE, schedule="cosine", warmup=0.1, lr=1.0)
    rates = [recipe.lr_at(k, 100) for k in range(100)]
    assert rates[:10] == pytest.approx([(k + 1) / 10 for k in range(10)])
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 0.001
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_onecycle_starts_at_a_25th() -> None:
    recipe = replace(RECIPE, schedule="onecycle", warmup=0.3, lr=1.0)
    rates = [recipe.lr_at(k, 100) for k in range(100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[30] == pytest.approx(1.0)
    assert rates[99] < 0.002


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0, "min_steps": 0}, {"batch": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"ema": 1.0}, {"seed": -1}],
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(Recipe(epochs=1, min_steps=1), **wrong)  # type: ignore[arg-type]
