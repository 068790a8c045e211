"""Files of every kind that a report can show, small and made by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edgeunet.evaluation.scores_file import SavedScores
from edgeunet.latency.record import LatencyRecord
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict, judge
from edgeunet_bench.guard.judging.samples import ProcessPair, Round
from edgeunet_bench.guard.qualification import Condition, Qualification
from edgeunet_bench.guard.running.arms import Arm
from edgeunet_bench.report.report_inputs import ReportInputs, by_model
from edgeunet_bench.sweep.sweep_file import Row, SkippedRun, Sweep
from tests.bench.records import noisy, toy_record, toy_telemetry

CREATED = "2026-01-02T03:04:05+00:00"


def toy_scores(sha256: str = "ab" * 32, **changes: Any) -> SavedScores:
    """Of the model of toy_record, with a class that does not occur and whose name is HTML."""
    fields: dict[str, Any] = {
        "model": "toy.onnx",
        "model_sha256": sha256,
        "precision": "fp32",
        "dataset": "road",
        "dataset_sha256": "cd" * 32,
        "split": "val",
        "frames": 2,
        "miou": 0.6123,
        "accuracy": 0.9,
        "iou": {"road": 0.91, "<b>car</b>": None},
    }
    return SavedScores(**(fields | changes))


def toy_comparison(slowdown: float = 1.0, name: str = "new.onnx", foreign: float = 0.01) -> Comparison:
    """Nine pairs of 25 rounds in which B is slower by this ratio; seed 3."""
    pairs, judgement = _judged(slowdown, foreign)
    arms = (
        Arm("old.onnx", {"model": "old.onnx", "SHA-256": "ab" * 32}),
        Arm(name, {"model": name, "SHA-256": "ef" * 32}),
    )
    machine = {"cpu": "Some CPU"}
    return Comparison(*arms, machine, judgement, (judgement,), pairs, 3, 60.0, CREATED, "edgeunet bench compare")


@cache
def _judged(slowdown: float, foreign: float) -> tuple[tuple[ProcessPair, ...], Judgement]:
    rng = np.random.default_rng(3)
    reference = np.ones(2)
    rounds = [
        Round(noisy(rng, 4.0, 10), noisy(rng, 4.0 * slowdown, 10), reference_a_ms=reference, reference_b_ms=reference)
        for _ in range(225)
    ]
    pairs = tuple(ProcessPair(tuple(rounds[i : i + 25]), foreign) for i in range(0, 225, 25))
    return pairs, judge(pairs, seed=3)


def refused_comparison() -> Comparison:
    """One that was never measured."""
    judgement = Judgement(Verdict.REFUSED, "measured under different conditions (governor: a and b)")
    return Comparison(Arm("a"), Arm("b"), {}, judgement, (judgement,), (), 0, 60.0, CREATED, "edgeunet bench compare")


def toy_qualification() -> Qualification:
    """One condition that is reached, one that can no longer be, one that is open."""
    rules = {"mean:5 %": 1, "U-test": 2}
    conditions = (
        Condition("a loop", "A/A", "PASS", 20, 19, ({"PASS": 20},), (3.0,) * 20, rules),
        Condition("a loop", "+5 %", "REGRESSED", 20, 19, ({"REGRESSED": 17, "PASS": 3},), (2.0,) * 20, {"mean:5 %": 8}),
        Condition("a loop", "disturbance", "INVALID", 20, 20, ({},), (), {}),
    )
    return Qualification(({"cpu": "Some CPU"},), CREATED, "python -m benchmarks.studies.guard_trials", conditions)


def toy_sweep() -> Sweep:
    """Two models with mIoU, and one that did not run."""
    times = (noisy(np.random.default_rng(5), 5.0, 50),)
    rows = tuple(
        Row(f"{name}.onnx", "ab" * 32, name, (32, 48), 1234, None, "onnxruntime", "1.0", 1, times, miou)
        for name, miou in (("fp32", 0.6), ("int8", 0.59))
    )
    skipped = (SkippedRun("huge.onnx", (32, 48), "openvino", 1, "no memory"),)
    return Sweep(
        machine={"cpu": "Some CPU"},
        frames="road",
        labels="road, val",
        created=CREATED,
        command="edgeunet bench sweep",
        budget_ms=None,
        passes=1,
        partial=False,
        rows=rows,
        skipped=skipped,
    )


def paced_record(count: int = 600, **changes: Any) -> LatencyRecord:
    """30 frames a second with three misses in a row, sensors, power and throttling."""
    total = noisy(np.random.default_rng(7), 12.0, count)
    total[100:103] = 50.0
    throttled = np.repeat([0.0, 1.0], [38, 2])
    telemetry = toy_telemetry(count / 30, watts=9.0, idle_watts=4.0, cpu_c=np.linspace(40, 60, 40), throttled=throttled)
    fields: dict[str, Any] = {
        "mode": "paced",
        "starts_ms": np.arange(count) * 1000 / 30,
        "period_ms": 1000 / 30,
        "deadline_ms": 1000 / 30,
        "dropped": 4,
        "telemetry": telemetry,
    }
    return toy_record(total, **(fields | changes))


def inputs_of(*items: Any) -> ReportInputs:
    """Records, comparisons, scores, ... as if they had been read from files."""
    return ReportInputs(
        records=[i for i in items if isinstance(i, LatencyRecord)],
        comparisons=[i for i in items if isinstance(i, Comparison)],
        sweeps=[i for i in items if isinstance(i, Sweep)],
        qualifications=[i for i in items if isinstance(i, Qualification)],
        scores=by_model(i for i in items if isinstance(i, SavedScores)),
    )


def everything() -> ReportInputs:
    """A report with every section."""
    rng = np.random.default_rng(2)
    single = toy_record(noisy(rng, 12.0, 500))
    short = toy_record(noisy(rng, 6.0, 40), partial=True)
    cold = toy_record(
        noisy(rng, 900.0, 12), mode="cold", others_ms={"first frame after 2 s idle": noisy(rng, 20.0, 12)}
    )
    soak = paced_record(9000, mode="soak")
    later = toy_record(noisy(rng, 12.5, 500), created="2026-02-02T03:04:05+00:00")
    records = single, short, cold, paced_record(), soak, later
    comparisons = toy_comparison(), toy_comparison(1.1, "slow.onnx"), refused_comparison()
    return inputs_of(*records, *comparisons, toy_scores(), toy_qualification(), toy_sweep())
