"""The file of a qualification: what is written is read again, and what does not add up is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeunet.errors import OutputError, RecordError
from edgeunet_bench.guard.qualification import Condition, Qualification

AA = Condition("a CPU loop", "A/A", "PASS", 10, 9, ({"PASS": 4}, {"INCONCLUSIVE": 1}), (3.5,) * 5, {"mean:5 %": 2})
ALL = Qualification(
    ({"cpu": "Some CPU"}, {"cpu": "Another"}),
    "2026-01-02T03:04:05+00:00",
    "python -m benchmarks.studies.guard_trials",
    (AA,),
)


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    ALL.save(path, force=False)
    assert Qualification.load(path) == ALL
    with pytest.raises(OutputError, match="--force"):
        ALL.save(path, force=False)


def test_a_condition_is_open_until_it_can_no_longer_turn() -> None:
    assert (AA.done, AA.right, AA.reached) == (5, 4, None)
    assert replace(AA, verdicts=({"PASS": 4}, {"PASS": 5}), seconds=(1.0,) * 9).reached is True
    assert replace(AA, verdicts=({"PASS": 3, "REGRESSED": 2}, {})).reached is False


@pytest.mark.parametrize(
    "changes",
    [{"needed": 11}, {"verdicts": ({"PASS": -5}, {})}, {"seconds": (1.0,)}, {"rules": {"mean:5 %": 6}}],
)
def test_counts_that_do_not_go_together_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="guard_trials"):
        replace(AA, **changes)


def test_every_machine_has_its_counts() -> None:
    with pytest.raises(RecordError, match="by machine"):
        replace(ALL, machines=ALL.machines[:1])


@pytest.mark.parametrize("damage", ["truncated", "schema", "missing field", "no number", "counts", "empty", "no file"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "q.json"
    ALL.save(path, force=False)
    value = json.loads(path.read_text())
    if damage == "truncated":
        path.write_text(path.read_text()[:-20])
    elif damage == "no file":
        path.unlink()
    else:
        if damage == "schema":
            value["schema"] = "edgeunet.qualification/9"
        elif damage == "empty":
            value["conditions"] = []
        elif damage == "missing field":
            del value["conditions"][0]["wanted"]
        else:
            value["conditions"][0]["declared"] = "many" if damage == "no number" else 3
        path.write_text(json.dumps(value))
    with pytest.raises(RecordError, match=r"q\.json.*python -m benchmarks.studies.guard_trials") as error:
        Qualification.load(path)
    assert "\n" not in str(error.value)
