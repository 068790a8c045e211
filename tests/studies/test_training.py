"""The study of training counts the time for which a training waits for its crops."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks.studies import training
from edgeunet.data.cropping.crops import Crops


def test_slow_crops_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Crops.__getitem__

    def slow(crops: Crops, k: int) -> Any:
        time.sleep(0.05)
        return made(crops, k)

    monkeypatch.setattr(training, "INPUT_SIZE", (32, 48))
    monkeypatch.setattr(training, "STEPS", 4)
    monkeypatch.setattr(training, "FIRST", 1)
    usual = training.share_waiting("nano", 0.0)
    monkeypatch.setattr(Crops, "__getitem__", slow)
    assert 0 < usual < training.share_waiting("nano", 0.0) < 1
