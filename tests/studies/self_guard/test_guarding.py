from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks.studies.self_guard import __main__ as guarding
from benchmarks.studies.self_guard.anchor import NoAnchorError, extract
from benchmarks.studies.self_guard.tree import CHECKOUT
from benchmarks.studies.study import app_of
from edgeunet.errors import OutputError
from edgeunet_bench.guard.baseline import FOLDER, accept, load_baseline
from edgeunet_bench.guard.running.arms import TurnArm


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of two commits; the first is the release anchor, and the second has changed the code."""
    root = tmp_path / "checkout"
    for name in ("edgeunet", "export", "benchmarks"):
        (root / name).mkdir(parents=True)
        (root / name / "code.py").write_text("released = True\n")
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "Release")
    accept(root / FOLDER, "release", None, commit=git(root, "rev-parse", "HEAD"), accepted="", verdict="")
    (root / "edgeunet" / "code.py").write_text("released = False\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "Go on")
    return root


def test_the_anchor_is_the_code_of_its_commit_and_leaves_the_checkout_alone(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "anchor"
    folder.mkdir()
    extract(checkout, load_baseline(checkout / FOLDER, "release").commit, folder)
    assert (folder / "edgeunet" / "code.py").read_text() == "released = True\n"
    assert sorted(p.name for p in folder.iterdir()) == ["edgeunet", "export"]
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "worktree", "list").count("\n") == 0


def test_the_project_has_an_anchor_of_a_whole_hash() -> None:
    commit = load_baseline(CHECKOUT / FOLDER, "release").commit
    assert len(commit) == 40
    assert set(commit) <= set("0123456789abcdef")


def run(monkeypatch: pytest.MonkeyPatch, checkout: Path, output: Path, codes: list[int]) -> Result:
    """The command, with stand-ins for exporting and for the two comparisons, which end with these codes."""
    arm = TurnArm("stand-in", {}, ("true",))
    rest = iter(codes)

    def compared(*_: Any) -> int:
        return next(rest)

    monkeypatch.setattr(guarding, "CHECKOUT", checkout)
    monkeypatch.setattr(guarding, "_arm", lambda *_: arm)
    monkeypatch.setattr(guarding, "compare_arms", compared)
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    result = CliRunner().invoke(app_of(guarding.main), ["-o", str(output)])
    assert next(rest, None) is None, "both are compared, whatever the first one says, unless Ctrl-C ends it"
    return result


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([4, 5], 0), ([3, 0], 3), ([0, 3], 3), ([4, 3], 3), ([6, 0], 6), ([130], 130)]
)
def test_what_a_busy_machine_gives_does_not_fail(
    codes: list[int], expected: int, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, checkout, tmp_path / "out", codes).exit_code == expected


def test_a_shallow_clone_says_so_in_a_line_and_does_not_fail(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{checkout}", str(shallow))
    commit = load_baseline(checkout / FOLDER, "release").commit
    accept(shallow / FOLDER, "release", None, commit=commit, accepted="", verdict="")
    with pytest.raises(NoAnchorError):
        extract(shallow, commit, tmp_path)
    result = run(monkeypatch, shallow, tmp_path / "out", [])
    assert result.exit_code == 0
    assert result.stdout == (
        f"nothing was compared: the release anchor {commit[:12]} is not in this clone: git fetch --unshallow\n"
    )


def test_samples_that_exist_are_kept_without_force(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "camera.json").write_text("mine")
    result = run(monkeypatch, checkout, tmp_path, [])
    assert isinstance(result.exception, OutputError)
    assert (tmp_path / "camera.json").read_text() == "mine"
