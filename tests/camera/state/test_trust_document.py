from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from edgeunet.camera.state.mask_state import GOOD_MASKS, MaskState, StateMachine

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/trust.md").read_text(encoding="utf-8")


def result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks/results" / name).read_text(encoding="utf-8"))
    return found


def test_the_document_prints_the_machine_that_runs() -> None:
    assert f"```py\n{inspect.getsource(StateMachine)}```" in TEXT
    assert GOOD_MASKS == 5, "the document says five in words"


def test_the_document_lists_the_states_in_their_order() -> None:
    rows = [line.split("`")[1] for line in TEXT.partition("## The states")[2].splitlines() if line.startswith("| `")]
    assert rows[: len(MaskState)] == [str(state) for state in MaskState]


def test_the_figures_are_those_of_the_result_files() -> None:
    faults, soak = result("picture_faults.json"), result("state_soak.json")
    rows = [
        f"| {name} | {f['found']} of {f['scenes']} | {f['frames_most'] or '–'} |"
        for name, f in faults["faults"].items()
    ]
    for name, alarms in faults["false_alarms"].items():
        low, high = alarms["alarms_per_hour_95"]
        per_hour = f"{alarms['alarms_per_hour']:.3g} ({low:.3g} to {high:.3g})"
        rows.append(f"| {name} | {alarms['hours']:.2f} | {per_hour} |")
    assert [row for row in rows if row not in TEXT] == []
    assert f"{faults['cost']['cpu_ms_a_frame']:.2f} ms of one core per frame" in TEXT
    assert f"{soak['frames']:,} small frames with {sum(soak['faults'].values()):,} injected faults" in TEXT
    assert soak["found_within_the_bound"] == soak["faults_as_long_as_their_bound"]
    assert soak["masks_in_a_state_that_outlasted_its_fault"] == 0
