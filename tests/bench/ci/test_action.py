"""The action: its YAML, the lines that use it, and what its scripts do, one by one as a runner would start them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeunet_bench.guard.judging.judgement import Verdict
from tests.models import write_toy_model

FOLDER = Path(__file__).parents[3] / "benchmarks" / "ci"
README = (FOLDER / "README.md").read_text()
ACTION: dict[str, Any] = yaml.safe_load((FOLDER / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
INSTALL, COMPARE, REPORT = (step for step in STEPS if "run" in step)


def _run(step: dict[str, Any], folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The step in `folder`, in the shell of the runners; programs of its `bin` come before all others."""
    values = {name: str(about.get("default", "")) for name, about in ACTION["inputs"].items()} | inputs
    given = re.compile(r"\$\{\{ inputs\.(\w+) \}\}")
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_ACTION_PATH": str(FOLDER),
        **{name: given.sub(lambda found: values[found[1]], text) for name, text in step.get("env", {}).items()},
    }
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_it_is_an_action_that_five_lines_use() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert all(("uses" in step) != ("run" in step) for step in STEPS)
    assert all(step["shell"] == "bash" for step in STEPS if "run" in step)
    (lines,) = re.findall(r"```yaml\n(.*?)\n *```", README, re.DOTALL)
    assert len(lines.splitlines()) == 5
    checkout, use = yaml.safe_load(lines)
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in (checkout, *STEPS) if "uses" in step)
    assert use["uses"] == "OWNER/edgeunet/benchmarks/ci@main"
    assert (
        {n for n, about in ACTION["inputs"].items() if about.get("required")}
        <= set(use["with"])
        <= set(ACTION["inputs"])
    )


def test_it_keeps_what_it_measured_whatever_the_verdict() -> None:
    upload = next(step for step in STEPS if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == REPORT["if"] == "always()"
    assert upload["with"]["path"] == "${{ runner.temp }}/latency"


def test_it_installs_the_checkout_it_is_in_unless_there_is_one(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "pip", 'echo "pip $@"')
    script = INSTALL["run"].replace("command -v edgeunet", "false")
    installed = _run({"run": script}, tmp_path).stdout.strip()
    place, extras = re.fullmatch(r"pip install (.*)\[(.*)\]", installed).groups()  # type: ignore[union-attr]
    assert f"\n{extras.split(',')[0]} = [" in Path(place, "pyproject.toml").read_text()
    _program(tmp_path / "bin", "edgeunet", "")
    assert "pip" not in _run(INSTALL, tmp_path).stdout
    assert (tmp_path / "latency").is_dir()


@pytest.mark.slow
def test_its_steps_one_by_one(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "taskset", 'shift 2; exec "$@"')  # here processor 1 may be busy
    write_toy_model(tmp_path / "model.onnx")
    accept = re.search(r"edgeunet bench accept .*", README)
    assert accept
    command = accept[0].replace("models/model.onnx", "model.onnx")
    assert _run({"run": command}, tmp_path).returncode == 0
    inputs = {"model": "model.onnx", "seconds": "5"}
    assert _run(INSTALL, tmp_path).returncode == 0
    compared = _run(COMPARE, tmp_path, **inputs)
    assert compared.returncode == 0, compared.stderr
    assert "::warning::latency against release is not decided" in compared.stdout  # in five seconds
    assert "## Against release" in (tmp_path / "summary.md").read_text()
    reported = _run({**REPORT, "run": REPORT["run"].replace("--seconds 20", "--seconds 1")}, tmp_path, **inputs)
    assert reported.returncode == 0, reported.stderr
    for name in ("release.json", "release.junit.xml", "record.json", "report.html"):
        assert (tmp_path / "latency" / name).is_file()
    nothing = _run(COMPARE, tmp_path, model="model.onnx", baselines="none")
    assert nothing.returncode == 2
    assert "no such" in nothing.stderr


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((Verdict.PASS, Verdict.PASS), 0),
        ((Verdict.INCONCLUSIVE, Verdict.INVALID), 0),
        ((Verdict.REGRESSED, Verdict.PASS), 3),
        ((Verdict.PASS, Verdict.REGRESSED), 3),
        ((Verdict.REFUSED, Verdict.PASS), 6),
    ],
)
def test_only_what_was_not_decided_is_let_through(
    codes: tuple[Verdict, Verdict], expected: int, tmp_path: Path
) -> None:
    """Stand-ins on PATH end as `edgeunet bench compare` would."""
    for folder in ("latency", "latency/baselines"):
        (tmp_path / folder).mkdir()
    for name in ("accepted", "release"):
        (tmp_path / "latency/baselines" / f"{name}.json").touch()
    cases = " ".join(f"{name}) code={code.value} ;;" for name, code in zip(("accepted", "release"), codes, strict=True))
    _program(tmp_path / "bin", "taskset", 'shift 2; exec "$@"')
    _program(
        tmp_path / "bin",
        "edgeunet",
        f'case $3 in {cases} esac\nwhile [ "$1" != --markdown ]; do shift; done\necho "figures" > "$2"; exit $code',
    )
    done = _run(COMPARE, tmp_path, model="m.onnx")
    assert (done.returncode, done.stderr) == (expected, "")
    assert done.stdout.count("::warning::") == sum(c in (Verdict.INCONCLUSIVE, Verdict.INVALID) for c in codes)
    summary = (tmp_path / "summary.md").read_text()
    assert summary == "## Against accepted\nfigures\n## Against release\nfigures\n"
