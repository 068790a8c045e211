"""The file of trials: it goes on where it was cut off, and only with trials of the same kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.studies.guard_trials import trial_file as module
from benchmarks.studies.guard_trials.trial_file import TrialFile, code_hash, declared_in
from edgeunet.errors import MismatchError, RecordError
from tests.studies.guard_trials.trials import MACHINE, PLAN, trial


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "q.trials.jsonl"


def test_trials_are_found_again_in_their_order(path: Path) -> None:
    first, second = trial("A/A", 0, "PASS", ratio=1.01, rules={"asv": False}), trial("tail", 0, "REGRESSED")
    assert declared_in(path) is None
    file = TrialFile(path, PLAN)
    file.append(first)
    file.append(second)
    again = TrialFile(path, PLAN)
    assert repr(again.trials) == repr([first, second])  # NaN is not equal to itself
    assert again.plan == PLAN
    assert declared_in(path) == PLAN.declared


def test_what_a_power_cut_left_of_a_line_is_cut_off(path: Path) -> None:
    file = TrialFile(path, PLAN)
    file.append(trial("A/A", 0, "PASS"))
    with path.open("a") as cut:
        cut.write('{"condition": "A/A", "num')
    file = TrialFile(path, PLAN)
    assert [t.number for t in file.trials] == [0]
    file.append(trial("A/A", 1, "PASS"))
    assert [t.number for t in TrialFile(path, PLAN).trials] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"subject": {"work": "another loop"}}, "subject"),
        ({"code": "other"}, "code"),
        ({"declared": {**PLAN.declared, "A/A": 300}}, "declared"),
    ],
)
def test_trials_of_another_kind_are_not_mixed(path: Path, changes: dict[str, Any], word: str) -> None:
    TrialFile(path, PLAN).append(trial("A/A", 0, "PASS"))
    kept = path.read_text()
    with pytest.raises(MismatchError, match=rf"q\.trials\.jsonl.*{word}.*--force") as error:
        TrialFile(path, replace(PLAN, **changes))
    assert "\n" not in str(error.value)
    assert path.read_text() == kept
    assert TrialFile(path, replace(PLAN, **changes), force=True).trials == []


def test_another_command_and_name_of_the_workload_go_on(path: Path) -> None:
    TrialFile(path, PLAN).append(trial("A/A", 0, "PASS"))
    again = TrialFile(path, replace(PLAN, command="python -m benchmarks.studies.guard_trials --only A/A"))
    assert len(again.trials) == 1
    assert [plan.command for plan, _ in again.parts] == [PLAN.command, again.plan.command]


def test_each_start_is_a_part_with_its_machine(path: Path) -> None:
    TrialFile(path, PLAN).append(trial("A/A", 0, "PASS"))
    TrialFile(path, replace(PLAN, machine=MACHINE | {"governor": "performance, for a moment"}))  # without a trial
    other = replace(PLAN, machine=MACHINE | {"governor": "powersave"})
    TrialFile(path, other).append(trial("A/A", 1, "PASS"))
    again = TrialFile(path, PLAN)
    assert [plan.machine for plan, _ in again.parts] == [MACHINE, other.machine, MACHINE]
    assert [[t.number for t in trials] for _, trials in again.parts] == [[0], [1], []]


def test_parts_of_two_machines_are_joined_by_cat(path: Path) -> None:
    TrialFile(path, PLAN).append(trial("A/A", 0, "PASS"))
    elsewhere = path.with_name("elsewhere.trials.jsonl")
    TrialFile(elsewhere, replace(PLAN, machine={"cpu": "Another"})).append(trial("A/A", 0, "PASS"))
    path.write_bytes(path.read_bytes() + elsewhere.read_bytes())
    assert len(TrialFile(path, PLAN).trials) == 2


@pytest.mark.parametrize("damage", ["empty", "no JSON", "schema", "list", "field", "kind", "trial", "time"])
def test_a_damaged_file_is_named_with_the_remedy(path: Path, damage: str) -> None:
    TrialFile(path, PLAN).append(trial("A/A", 0, "PASS"))
    plan, row = map(json.loads, path.read_text().splitlines())
    if damage == "schema":
        plan["schema"] = "edgeunet.trials/9"
    elif damage == "field":
        del plan["code"]
    elif damage == "kind":
        del plan["declared"]["tail"]
    elif damage == "time":
        row["ended"] = 5
    elif damage == "trial":
        del row["verdict"]
    text = {"empty": "", "no JSON": "mine\n", "list": "[]\n"}
    path.write_text(text.get(damage, f"{json.dumps(plan)}\n{json.dumps(row)}\n"))
    with pytest.raises(RecordError, match=r"q\.trials\.jsonl.*--force") as error:
        TrialFile(path, PLAN)
    assert "\n" not in str(error.value)


def test_the_hash_is_of_what_decides_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    covered = {path.name for path in module._CODE}
    assert covered == {"judging", "running", "arm.py", "conditions.py", "disturbance.py", "rules.py"}
    assert all(path.exists() for path in module._CODE)


def test_the_hash_follows_the_guards_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(code_hash()) == 64
    monkeypatch.setattr(module, "_CODE", [tmp_path])
    (tmp_path / "judge.py").write_text("ALPHA = 0.01\n")
    before = code_hash()
    assert code_hash() == before
    (tmp_path / "judge.py").write_text("ALPHA = 0.02\n")
    assert code_hash() != before
