"""Faults of the synthetic source through the real loop, with a real model, to the lines that a program reads."""

from __future__ import annotations

import json
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from edgeunet.camera import CameraOptions, SinkOptions, run_camera
from edgeunet.camera.state.mask_state import GOOD_MASKS
from edgeunet.camera.state.picture_check import COVERED_FRAMES, EXTREME_FRAMES, SAME_FRAMES
from edgeunet.imaging.overlay import Overlay
from tests.marks import slow

FPS, FIRST, END = 60, 40, 100


def lines_of(
    tmp_path: Path, model: Path, fault: str, frames: str = f"{FIRST}:{END}", seconds: int = 3
) -> list[dict[str, Any]]:
    lines = tmp_path / "lines"
    source = f"synthetic://?width=320&height=240&fps={FPS}&seconds={seconds}&fault={fault}:{frames}"
    run_camera(CameraOptions(model, (source,), SinkOptions(jsonl=lines)))
    return [json.loads(line) for line in lines.read_text().splitlines()]


@pytest.mark.parametrize(
    ("fault", "reason", "frames"),
    [
        ("freeze", "the same frame again", SAME_FRAMES),
        *slow(
            ("black", "black", EXTREME_FRAMES),
            ("white", "white", EXTREME_FRAMES),
            ("cover", "low contrast everywhere", COVERED_FRAMES),
        ),
    ],
)
def test_a_fault_of_the_picture_is_in_the_lines(
    tmp_path: Path, model: Path, fault: str, reason: str, frames: int
) -> None:
    masks = [line for line in lines_of(tmp_path, model, fault) if "frame" in line]
    frozen = [line["frame"] for line in masks if line["state"] == "frozen"]
    assert {line["reason"] for line in masks if line["state"] == "frozen"} == {reason}
    assert FIRST + frames - 1 <= frozen[0] < FIRST + frames + FPS // 2  # as soon as a mask is made of such a frame
    after = [line for line in masks if line["frame"] >= END]
    held = {line["state"] for line in after[: GOOD_MASKS - 1]}
    assert held <= {"frozen", "none"}  # none: the machine was busy for as long as the deadline
    assert {line["state"] for line in after[GOOD_MASKS - 1 :]} <= {"unknown", "none"}
    assert after[-1]["frame"] > END + FPS // 2


@pytest.mark.slow
def test_a_lens_out_of_focus_is_in_the_lines(tmp_path: Path, model: Path) -> None:
    masks = [line for line in lines_of(tmp_path, model, "blur", "300:500", seconds=10) if "frame" in line]
    frozen = [line for line in masks if line["state"] == "frozen"]
    assert {line["reason"] for line in frozen} == {"out of focus"}
    assert 300 < frozen[0]["frame"] < 400
    assert masks[-1]["state"] == "unknown"


def test_a_camera_that_stalls_is_said_to_be_missing_and_comes_back(tmp_path: Path, model: Path) -> None:
    lines = lines_of(tmp_path, model, "stall")
    silent = [line for line in lines if "frame" not in line and line["state"] == "none" and line["age_ms"]]
    assert len(silent) >= (END - FIRST) / FPS / 0.1 - 3
    assert all(b["age_ms"] > a["age_ms"] for a, b in pairwise(silent) if b["age_ms"] > 200)
    runs = [state for state, _ in groupby(line["state"] for line in lines)]
    assert runs[0] == "none"
    assert runs[-1] == "unknown"


def test_the_legend_has_a_state_only_if_it_speaks_against_the_mask(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, ...]] = []
    monkeypatch.setattr(Overlay, "label", lambda self, blended, lines: shown.append(tuple(lines)))
    source = f"synthetic://?width=320&height=240&fps={FPS}&seconds=2&fault=freeze:{FIRST}:{END}"
    run_camera(CameraOptions(model, (source,), SinkOptions(record=tmp_path / "v.mp4")))
    first_lines = {lines[0].split()[0] for lines in shown}
    assert "frozen" in first_lines
    assert "unknown" not in first_lines
    assert any(lines[0].endswith("fps") for lines in shown)
