"""Files that the first release wrote still open: made by its own commands, some of them cut to a few samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.studies.guard_trials.trial_file import declared_in
from edgeunet.evaluation.scores_file import load_scores
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet_bench.guard.commands import judge_again
from edgeunet_bench.render.markdown import markdown
from edgeunet_bench.report.contents import contents
from edgeunet_bench.report.report_inputs import load_inputs

RELEASE = Path(__file__).parents[1] / "release"
MEASURED = ("record", "paced", "command", "camera", "comparison", "sweep", "qualification")


@pytest.mark.parametrize("name", MEASURED)
def test_a_report_is_made_of_what_the_release_measured(name: str) -> None:
    inputs = load_inputs([RELEASE / f"{name}.json"], [])
    assert inputs.measured.startswith("2026-11-29")
    assert markdown(contents(inputs), inputs.measured).count("|") > 20


def test_a_verdict_of_the_release_follows_from_its_samples() -> None:
    stored, again = judge_again(RELEASE / "comparison.json")
    assert again == stored.judgement


def test_trials_scores_and_ranges_of_the_release_are_read() -> None:
    assert declared_in(RELEASE / "qualification.trials.jsonl")
    assert load_scores(RELEASE / "scores.json").frames == 2
    assert len(Ranges.load(RELEASE / "ranges.json").tensors) == 2
