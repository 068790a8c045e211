from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.studies.camera import age as camera_age
from benchmarks.studies.camera import isolation
from benchmarks.studies.camera import soak as camera_soak
from benchmarks.studies.camera.cost import cost_of, real_frames
from edgeunet.errors import UsageError
from tests.models import write_toy_model


def test_cost_counts_the_whole_loop_but_inference() -> None:
    result = cost_of(real_frames(), 5)
    assert set(result["stages_p50_ms"]) == {"read", "fit", "draw", "write"}
    assert result["cpu_ms_a_frame"] > result["stages_p50_ms"]["write"]


def test_age_is_that_of_every_mask_and_never_less_than_the_inference() -> None:
    result = camera_age.measure(1.0)
    assert result["read"] <= 30  # a busy machine loses some, as a camera does
    assert result["masks"] == len(result["age_ms"]) == result["read"] - result["dropped"]
    assert 1 <= result["masks"] <= 20
    assert min(result["age_ms"]) >= camera_age.INFERENCE_MS
    assert result["age_p50_ms"] <= result["age_p99_ms"] <= result["age_max_ms"]
    with pytest.raises(UsageError, match="above 0"):
        camera_age.measure(0)


def test_a_soak_that_is_too_short_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 120"):
        camera_soak.soak(Path("m.onnx"), 60)


@pytest.mark.slow
def test_isolation_compares_every_fault_with_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "ARMS", ("none", "floods", "dies", "stalls"))
    monkeypatch.setattr(isolation, "WITHOUT_SHARES", ("none", "floods"))
    result = isolation.measure(write_toy_model(tmp_path / "m.onnx"), 3.0, 1)
    for kind in ("simulated", "simulated, no shares", "real"):
        arms = result[kind]["arms"]
        assert set(arms) == set(isolation.ARMS if "shares" not in kind else isolation.WITHOUT_SHARES)
        assert all(figures["masks"] > 20 for figures in arms.values())
        assert arms["none"]["ratio"] == 1
