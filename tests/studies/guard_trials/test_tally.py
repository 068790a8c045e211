"""From trials to conditions: what counts as wanted, what is checked without measuring, and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.studies.guard_trials import tally
from benchmarks.studies.guard_trials.conditions import KINDS, kinds_of
from benchmarks.studies.guard_trials.tally import qualification_of
from benchmarks.studies.guard_trials.trial_file import Trial, TrialFile
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict, refuse
from edgeunet_bench.guard.qualification import Condition
from edgeunet_bench.report.sections.qualification_table import machines_table, qualification_table, rules_table
from tests.studies.guard_trials.trials import MACHINE, PLAN, trial

CREATED = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def file(tmp_path: Path) -> TrialFile:
    return TrialFile(tmp_path / "q.trials.jsonl", PLAN)


def _conditions(file: TrialFile, *trials: Trial) -> dict[tuple[str, str], Condition]:
    for one in trials:
        file.append(one)
    return {(c.name, c.wanted): c for c in qualification_of(file, CREATED).conditions}


def test_the_declared_numbers_are_those_of_the_promise() -> None:
    needed = {kind.name: (kind.needed(kind.declared), kind.declared, kind.within_s) for kind in KINDS}
    assert needed["A/A"][:2] == (285, 299)
    assert needed["+5 %"] == (196, 200, 10.0)
    assert needed["+3 %"] == needed["tail"] == (196, 200, 60.0)
    assert needed["disturbance"][:2] == (200, 200)
    assert [k.name for k, short in zip(kinds_of(model=True), KINDS, strict=True) if k != short] == ["tail"]
    assert {k.name: k.seconds for k in kinds_of(model=True)} == dict.fromkeys(needed, 60.0) | {"tail": 600.0}


def test_a_false_alarm_counts_against_both_promises(file: TrialFile) -> None:
    verdicts = ("PASS", "INCONCLUSIVE", "REGRESSED", "PASS")
    conditions = _conditions(file, *(trial("A/A", i, verdict) for i, verdict in enumerate(verdicts)))
    passed, quiet = conditions["A/A", "PASS"], conditions["A/A", "no alarm"]
    assert (passed.right, passed.reached) == (2, False)
    assert (quiet.right, quiet.needed, quiet.done, quiet.reached) == (3, 4, 4, False)


def test_a_slowdown_found_too_late_is_not_as_wanted(file: TrialFile) -> None:
    conditions = _conditions(
        file, trial("+5 %", 0, "REGRESSED", sampled_s=9.9), trial("+5 %", 1, "REGRESSED", sampled_s=10.1)
    )
    five = conditions["+5 %", "REGRESSED"]
    assert five.verdicts == ({"REGRESSED": 1, "REGRESSED after 10 s": 1},)
    assert five.seconds == (9.9, 10.1)
    assert five.reached is False  # all four are needed


def test_each_machine_keeps_its_trials(file: TrialFile) -> None:
    _conditions(file, trial("tail", 0, "REGRESSED"), trial("A/A", 0, "PASS"))
    other = replace(PLAN, machine=MACHINE | {"governor": "powersave"})
    _conditions(TrialFile(file.path, other), trial("tail", 1, "PASS"), trial("tail", 2, "REGRESSED"))
    again = TrialFile(file.path, PLAN)  # the first machine goes on
    tail = _conditions(again, trial("tail", 3, "REGRESSED"))["tail", "REGRESSED"]
    found = qualification_of(again, CREATED)
    assert found.machines == (PLAN.machine, other.machine)
    assert tail.verdicts == ({"REGRESSED": 2}, {"PASS": 1, "REGRESSED": 1})
    assert (tail.done, tail.right) == (4, 3)
    table = machines_table(found)
    assert table.header == ("on machine", "1", "2")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["tail, REGRESSED"] == ("2 of 2", "1 of 2")
    assert rows["A/A, no alarm"] == ("1 of 1", "0 of 0")
    assert rows["a fact of the machine, REFUSED"] == ("4 of 4", "4 of 4")
    assert table.note == "1: governor performance; 2: governor powersave"


def test_what_was_not_measured_is_open(file: TrialFile) -> None:
    found = qualification_of(file, CREATED)
    assert [c.reached for c in found.conditions] == [None] * 6 + [True, True]
    assert found.created == CREATED
    file.append(trial("tail", 3, "REGRESSED"))
    assert qualification_of(file, CREATED).created == "2026-01-02T03:00:03+00:00"


def test_every_fact_is_mutated_alone(file: TrialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = _conditions(file)["a fact of the machine", "REFUSED"]
    assert (facts.right, facts.done, facts.declared) == (4, 4, 4)  # two facts, changed and missing

    def blind(a: Mapping[str, str], b: Mapping[str, str]) -> Judgement | None:
        seen = [{name: fact for name, fact in facts.items() if name != "governor"} for facts in (a, b)]
        return refuse(*seen)

    monkeypatch.setattr(tally, "refuse", blind)
    facts = _conditions(file)["a fact of the machine", "REFUSED"]
    assert facts.verdicts == ({"REFUSED": 2, "none": 2},)
    assert facts.reached is False


def test_no_samples_are_invalid_wherever_they_lack(file: TrialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = _conditions(file)["no samples", "INVALID"]
    assert (empty.right, empty.declared) == (5, 5)
    monkeypatch.setattr(tally, "judge", lambda pairs: Judgement(Verdict.PASS, ""))
    assert _conditions(file)["no samples", "INVALID"].reached is False


def test_rules_are_counted_and_shown_beside_the_guard(file: TrialFile) -> None:
    rules = {"asv": True, "criterion": False}
    conditions = _conditions(
        file,
        trial("A/A", 0, "PASS", rules=rules),
        trial("A/A", 1, "REGRESSED", rules={"asv": True, "criterion": True}),
        trial("A/A", 2, "ERROR", sampled_s=0.0, pairs=0),
        trial("tail", 0, "REGRESSED", rules=rules),
    )
    assert conditions["A/A", "PASS"].rules == {"asv": 2, "criterion": 1}
    assert conditions["A/A", "no alarm"].rules == {}
    table = rules_table(qualification_of(file, CREATED))
    assert table.header == ("called slower by", "A/A", "tail")
    assert table.rows == (
        ("this guard", "1 of 3", "1 of 1"),
        ("asv", "2 of 3", "1 of 1"),
        ("criterion", "1 of 3", "0 of 1"),
    )


def test_the_table_bounds_what_did_not_come_out_as_wanted(file: TrialFile) -> None:
    _conditions(file, *(trial("A/A", i, "PASS") for i in range(299)), trial("tail", 0, "PASS"))
    table = qualification_table(qualification_of(file, CREATED))
    rows = {row[:2]: row[2:] for row in table.rows}
    assert rows["A/A", "no alarm"] == ("299 of 299", "4 of 4", "reached", "1.00 %", "3.0")
    assert rows["+3 %", "REGRESSED"] == ("0 of 0", "4 of 4", "open", "–", "–")
    assert "tail: 1 PASS" in table.note
