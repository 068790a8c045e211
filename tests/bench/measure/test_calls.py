"""Samples while they are collected."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest

from edgeunet_bench.measure.calls import Calls, TimedCall


def test_columns_are_what_was_appended() -> None:
    calls = Calls()
    assert len(calls) == 0
    for i in range(3):
        calls.append(TimedCall(10**9 + i * 10**7, 5_000_000 + i, {"fit": 1_000_000, "infer": 3_500_000 + i}))
    assert len(calls) == 3
    assert calls.starts_ms().tolist() == [0.0, 10.0, 20.0]
    samples = calls.samples_ms()
    assert list(samples) == ["total", "fit", "infer"]
    assert samples["total"].tolist() == [5.0, 5.000001, 5.000002]
    assert samples["infer"].tolist() == [3.5, 3.500001, 3.500002]


class Interrupted(UserDict[str, Any]):
    """Gets Ctrl-C when its second stage is read."""

    def __getitem__(self, name: str) -> Any:
        if name == "infer":
            raise KeyboardInterrupt
        return super().__getitem__(name)


def test_a_call_that_was_cut_short_leaves_columns_of_one_length() -> None:
    calls = Calls()
    calls.append(TimedCall(0, 5, {"fit": 1, "infer": 4}))
    with pytest.raises(KeyboardInterrupt):
        calls.append(TimedCall(9, 6, Interrupted(fit=2, infer=4)))
    assert len(calls) == 1
    assert {len(times) for times in (calls.starts_ms(), *calls.samples_ms().values())} == {1}
