"""Named baselines: kept whole, found by name, and never silently changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeunet.errors import OutputError, RecordError, UsageError
from edgeunet.runtime.gpu.engine_file import info_path
from edgeunet.utils.files import locked, sha256
from edgeunet_bench.guard import baseline as module
from edgeunet_bench.guard.baseline import accept, default_folder, load_baseline, resolve, verdict_of
from edgeunet_bench.guard.running.arms import Arm
from tests.bench.guard.test_comparison import toy_comparison

RELEASE = Path(__file__).parents[2] / "release"


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
    assert info_path(found).is_file()  # an engine is nothing without its .json
    assert found.name == made.model == f"model-{sha256(model)[:16]}.engine"
    assert resolve(folder, model) == model
    assert resolve(folder, Path("other.onnx")) == Path("other.onnx")
    with pytest.raises(
        UsageError, match="baselines has release; `edgeunet bench accept MODEL --as other` makes it one"
    ):
        resolve(folder, Path("other"))


def test_accepting_again_moves_the_name(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "baselines"
    accept(folder, "accepted", model, commit="abc", accepted="2026-01-02")
    newer = tmp_path / "newer.onnx"
    newer.write_bytes(b"more weights")
    accept(folder, "accepted", newer, commit="def", accepted="2026-01-03")
    assert resolve(folder, Path("accepted")).read_bytes() == b"more weights"
    assert [path.name[:6] for path in (folder / "accepted").iterdir()] == ["newer-"]
    (folder / "accepted/notes.txt").write_text("mine")
    accept(folder, "accepted", None, commit="def", accepted="2026-01-04")
    assert [path.name for path in (folder / "accepted").iterdir()] == ["notes.txt"]  # what is not ours stays


@pytest.mark.parametrize("step", ["write_json", "_remove_others"])
def test_whoever_is_killed_leaves_one_whole_baseline(
    tmp_path: Path, model: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "baselines"
    accept(folder, "release", model, commit="", accepted="2026-01-02")
    newer = tmp_path / "newer.onnx"
    newer.write_bytes(b"more weights")

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    original = getattr(module, step)
    monkeypatch.setattr(module, step, killed)
    with pytest.raises(SystemExit):
        accept(folder, "release", newer, commit="", accepted="2026-01-03")
    monkeypatch.setattr(module, step, original)
    expected = b"weights" if step == "write_json" else b"more weights"
    assert resolve(folder, Path("release")).read_bytes() == expected
    accept(folder, "release", newer, commit="", accepted="2026-01-04")
    assert [path.name[:6] for path in (folder / "release").iterdir()] == ["newer-"]  # nothing is left behind


def test_a_baseline_of_the_release_opens_and_is_replaced(tmp_path: Path, model: Path) -> None:
    folder = Path(shutil.copytree(RELEASE / "baselines", tmp_path / "baselines"))
    found = resolve(folder, Path("release"))
    assert (found.name, found.read_bytes()) == ("small.onnx", b"weights")
    accept(folder, "release", model, commit="", accepted="2026-01-02")
    assert sorted(path.suffix for path in (folder / "release").iterdir()) == [".engine", ".json"]


def test_a_file_that_is_no_baseline_stays(tmp_path: Path, model: Path) -> None:
    (tmp_path / "release.json").write_text('{"mine": 1}')
    with pytest.raises(OutputError, match=r"release.json is not a baseline of edgeunet, and stays: .* --as"):
        accept(tmp_path, "release", model, commit="abc", accepted="2026-01-02")
    assert (tmp_path / "release.json").read_text() == '{"mine": 1}'
    assert not (tmp_path / "release").exists()


def test_two_at_once_do_not_mix(tmp_path: Path, model: Path) -> None:
    (tmp_path / "baselines/release").mkdir(parents=True)
    with locked(tmp_path / "baselines/release"), pytest.raises(OutputError, match="another command"):
        accept(tmp_path / "baselines", "release", model, commit="", accepted="2026-01-02")


def test_the_folder_is_the_users_own_unless_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder() == Path("baselines")
    (tmp_path / "benchmarks/baselines").mkdir(parents=True)
    assert default_folder() == Path("benchmarks/baselines")


def test_a_baseline_that_was_changed_is_refused(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "baselines"
    accept(folder, "release", model, commit="", accepted="2026-01-02")
    resolve(folder, Path("release")).write_bytes(b"other weights")
    with pytest.raises(RecordError, match="not the file that was accepted"):
        resolve(folder, Path("release"))
    (folder / "release.json").write_text('{"schema": "edgeunet.baseline/1", "name": "release"}')
    with pytest.raises(RecordError, match="the field 'model' is missing"):
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
