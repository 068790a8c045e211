from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import typer

from benchmarks.studies.cpu import frame_to_mask
from edgeunet.runtime import open_session
from tests.camera.videos import write_numbered
from tests.models import write_toy_model


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A small network on a short clip: the arms are what is tried, not the speed."""
    monkeypatch.setattr(frame_to_mask, "SIZE", (32, 48))
    monkeypatch.setattr(frame_to_mask, "ALONE", 5)
    monkeypatch.setattr(frame_to_mask, "SLOW", 3)
    monkeypatch.setattr("edgeunet.samples.CLIP", write_numbered(tmp_path / "clip.mp4", 6))


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_every_arm_is_measured_in_every_round(tmp_path: Path) -> None:
    output = tmp_path / "cpu.json"
    with suppress(typer.Exit):  # whether the goals are reached
        frame_to_mask.main(output, "nano", "nano", rounds=2)
    result = json.loads(output.read_text())
    assert [set(turn) for turn in result["rounds"]] == [set(result["median_fps"])] * 2
    assert all(fps > 0 for turn in result["rounds"] for fps in turn.values())
    first, second = (turn["camera"] / turn["tutorial"] for turn in result["rounds"])
    assert result["median_ratio"]["camera / tutorial"] == pytest.approx((first + second) / 2)
    assert set(result["median_ratio"]) == set(result["goals"])


def test_a_session_is_kept_full_and_every_frame_is_answered(tmp_path: Path) -> None:
    frames = [np.zeros((32, 48, 3), np.uint8)]
    for count in (1, 2, 5):
        with open_session(write_toy_model(tmp_path / "m.onnx"), in_flight=2) as session:
            assert frame_to_mask.session_fps(session, frames, count) > 0
            session.run(frames[0])  # nothing was left waiting
