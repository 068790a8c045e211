"""Named baselines: kept whole, found by name, and never silently changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.guard.arms import Arm
from benchmarks.guard.baseline import accept, load_baseline, resolve, verdict_of
from edgeunet.errors import RecordError, UsageError
from edgeunet.files import sha256
from tests.benchmarks.guard.test_comparison import toy_comparison


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.engine"
    path.write_bytes(b"weights")
    (tmp_path / "model.engine.json").write_text("{}")
    return path


def test_an_accepted_model_is_found_by_name(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "baselines"
    made = accept(folder, "release", model, commit="abc", accepted="2026-01-02", verdict="PASS")
    assert load_baseline(folder, "release") == made
    found = resolve(folder, Path("release"))
    assert found.read_bytes() == b"weights"
    assert found.with_name("model.engine.json").is_file()  # an engine is nothing without its sidecar
    assert resolve(folder, model) == model
    assert resolve(folder, Path("other")) == Path("other")


def test_accepting_again_moves_the_name(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "baselines"
    accept(folder, "accepted", model, commit="abc", accepted="2026-01-02")
    newer = tmp_path / "newer.onnx"
    newer.write_bytes(b"more weights")
    accept(folder, "accepted", newer, commit="def", accepted="2026-01-03")
    assert resolve(folder, Path("accepted")).name == "newer.onnx"
    assert [path.name for path in (folder / "accepted").iterdir() if path.suffix == ".onnx"] == ["newer.onnx"]


def test_a_baseline_that_was_changed_is_refused(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "baselines"
    accept(folder, "release", model, commit="", accepted="2026-01-02")
    (folder / "release/model.engine").write_bytes(b"other weights")
    with pytest.raises(RecordError, match="not the file that was accepted"):
        resolve(folder, Path("release"))
    (folder / "release.json").write_text('{"schema": "edgeunet.baseline/1", "name": "release"}')
    with pytest.raises(RecordError, match="damaged baseline"):
        resolve(folder, Path("release"))


def test_a_commit_alone_is_a_baseline_without_a_model(tmp_path: Path) -> None:
    accept(tmp_path, "release", None, commit="abc123", accepted="2026-01-02")
    assert load_baseline(tmp_path, "release").commit == "abc123"
    with pytest.raises(UsageError, match="has no model file"):
        resolve(tmp_path, Path("release"))
    with pytest.raises(UsageError, match="nothing to accept"):
        accept(tmp_path, "release", None, commit="", accepted="2026-01-02")


@pytest.mark.parametrize("name", ["../up", "", "a b", ".hidden"])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, model: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name is made of letters"):
        accept(tmp_path, name, model, commit="", accepted="")


def test_only_a_candidate_that_passed_is_accepted_with_its_comparison(tmp_path: Path, model: Path) -> None:
    passed, regressed = tmp_path / "passed.json", tmp_path / "regressed.json"
    toy_comparison(b=Arm("model.engine", {"SHA-256": sha256(model)})).save(passed, force=False)
    toy_comparison(1.2).save(regressed, force=False)
    assert verdict_of(passed, model) == "PASS"
    with pytest.raises(UsageError, match="ended with REGRESSED"):
        verdict_of(regressed, model)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with pytest.raises(UsageError, match="another candidate"):
        verdict_of(passed, other)
