"""The workflow to copy: its YAML, the commands in it as the real command line reads them, and what its script does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from edgeunet.cli.bench import app
from edgeunet_bench.guard.judging.judgement import Verdict

FOLDER = Path(__file__).parents[3] / "benchmarks" / "ci"
WORKFLOW: dict[Any, Any] = yaml.safe_load((FOLDER / "latency.yml").read_text())
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["latency"]["steps"]
SCRIPTS = {step["name"]: str(step["run"]) for step in STEPS if "run" in step}


def commands_of(text: str) -> list[list[str]]:
    """The arguments of every `edgeunet bench` in a script or in the README, variables and all."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(re.split(r"\|\||`\)", found[1])[0]) for line in lines if (found := BENCH.search(line))]


BENCH = re.compile(r"\bedgeunet bench (?=[a-z]+ [^|]*(?:-o|--as) )(.*)")
COMMANDS = [c for text in (*SCRIPTS.values(), (FOLDER / "README.md").read_text()) for c in commands_of(text)]


def parse(arguments: list[str]) -> dict[str, Any]:
    """What the command line makes of them, without running anything."""
    group: Any = typer.main.get_command(app)
    name, command, rest = group.resolve_command(group.make_context("bench", arguments), arguments)
    parsed: dict[str, Any] = command.make_context(name, rest).params
    return parsed


def test_it_is_a_workflow() -> None:
    assert set(WORKFLOW[True]) == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all(("uses" in step) != ("run" in step) for step in STEPS)
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in STEPS if "uses" in step)
    used = set(re.findall(r"\$([A-Z_]+)", "".join(SCRIPTS.values())))
    assert used - {"RUNNER_TEMP", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"} == set(WORKFLOW["env"])


def test_it_keeps_what_it_measured_whatever_the_verdict() -> None:
    upload = next(step for step in STEPS if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "${{ runner.temp }}/latency"
    assert next(step for step in STEPS if step.get("name") == "Report")["if"] == "always()"


def test_every_command_in_it_is_one_of_ours() -> None:
    assert [c[0] for c in COMMANDS] == ["compare", "run", "report", "accept", "accept", "accept"]
    parsed = [parse(command) for command in COMMANDS]
    assert parsed[0]["baselines"] == Path("$BASELINES")
    assert (parsed[0]["junit"], parsed[0]["markdown"]) == (Path("$out.junit.xml"), Path("$out.md"))
    assert {p["name"] for p in parsed[3:]} == {"release", "accepted"}
    with pytest.raises(Exception, match="--junitt"):
        parse(["compare", "release", "m.onnx", "--junitt", "x"])


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
    """The script itself, in the shell of the runners; stand-ins on PATH end as `edgeunet bench compare` would."""
    (tmp_path / "latency").mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    cases = " ".join(f"{name}) code={code.value} ;;" for name, code in zip(("release", "accepted"), codes, strict=True))
    (programs / "taskset").write_text('#!/bin/sh\nshift 2; exec "$@"\n')
    (programs / "edgeunet").write_text(
        f'#!/bin/sh\ncase $3 in {cases} esac\nwhile [ "$1" != --markdown ]; do shift; done\n'
        'echo "figures" > "$2"; exit $code\n'
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        **{name: str(value) for name, value in WORKFLOW["env"].items()},
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPTS["Compare with the baselines"]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (expected, "")
    assert done.stdout.count("::warning::") == sum(c in (Verdict.INCONCLUSIVE, Verdict.INVALID) for c in codes)
    summary = (tmp_path / "summary.md").read_text()
    assert summary == "## Against release\nfigures\n## Against accepted\nfigures\n"
