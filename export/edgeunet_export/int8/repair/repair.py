"""Keeps an INT8 model within its accuracy budget: repairs it step by step, the cheapest step first, or refuses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto

from edgeunet.errors import ExportError
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.spec import ModelSpec
from edgeunet_export.calibration.sampling import representative
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.biases import corrected
from edgeunet_export.int8.repair.clip_per_tensor import chosen
from edgeunet_export.int8.repair.equalise import equalised
from edgeunet_export.int8.repair.layers import Latency, Layer, layers, multiply_adds, sensitivities
from edgeunet_export.int8.repair.trials import LogitDeviation, Trials
from edgeunet_export.verify.accuracy import Accuracy, AccuracyBudget

FRAMES = 16  # of the calibration images, for trials: each is run once for each evaluation
MAX_FLOAT = 0.5
"""Share of the multiply-adds that may stay in float for accuracy: with more, the file is not really INT8."""


@dataclass(frozen=True)
class Task:
    """A model that is to become INT8.

    candidate: as calibrated. images: the calibration images.
    calibrate: float model with other weights → its ranges.
    judge: INT8 model → its loss on the labelled split.
    latency: INT8 model → ms per frame on the target; None where it cannot be measured here.
    """

    candidate: Candidate
    spec: ModelSpec
    images: Sequence[Path]
    calibrate: Callable[[FloatModel], Ranges]
    judge: Callable[[ModelProto], Accuracy]
    latency: Callable[[ModelProto], Latency] | None = None


@dataclass(frozen=True)
class Step:
    """One repair step that was tried. deviation: from the float model on calibration frames; if it is not smaller than
    before, the step is not judged.
    accuracy: on the labelled split; None if the step was not judged.
    """

    name: str
    deviation: LogitDeviation
    accuracy: Accuracy | None
    kept: bool


@dataclass(frozen=True)
class Repair:
    """An INT8 model within its budget.

    candidate: its input; after a repair, weights and ranges differ from those of the source.
    steps: the model as calibrated, then what was tried, in order.
    layers: the most sensitive first; empty if nothing was repaired and no report was asked for.
    evaluations: INT8 models that were run on the calibration frames.
    """

    candidate: Candidate
    accuracy: Accuracy
    steps: tuple[Step, ...]
    layers: tuple[Layer, ...]
    evaluations: int

    @property
    def repaired(self) -> bool:
        return len(self.steps) > 1


def repaired(task: Task, budget: AccuracyBudget, *, report: bool = False) -> Repair:
    """The INT8 model, repaired while it loses more than the budget.

    First equalisation, then ranges by tensor, then bias correction; each is kept if it lowers the error of the logits
    on calibration frames. At last the most sensitive convolutions stay in float, as few as the budget allows.

    report: measure the convolutions even if nothing has to be repaired.
    Raises ExportError if the budget cannot be met; it names the best step.
    """
    return _Repairing(task, budget).result(report=report)


class _Repairing:
    """The repair of one model."""

    def __init__(self, task: Task, budget: AccuracyBudget) -> None:
        self._task, self._budget, self._model = task, budget, task.candidate.model
        images = representative(task.images, FRAMES, task.candidate.ranges.seed, task.spec)
        self._trials = Trials(self._model, task.spec, images)
        self._steps: list[Step] = []
        self._best = self._tried("as calibrated", task.candidate)
        self._uncorrected = self._best  # corrected biases fit INT8 everywhere, not a model with convolutions in float

    def result(self, *, report: bool) -> Repair:
        if not self._met():
            for name, step in (("equalisation", self._equalised), ("ranges by tensor", self._chosen)):
                self._uncorrected = self._best = self._tried(name, step(self._best))
                if self._met():
                    break
            else:
                self._best = self._tried("bias correction", corrected(self._best, self._trials))
        found: tuple[Layer, ...] = ()
        if report or len(self._steps) > 1:
            sensitivity = sensitivities(self._uncorrected, self._trials)
            operations = multiply_adds(self._model, self._trials)
            whole = self._best.int8
            if not self._met():
                self._leave_in_float(sensitivity, operations)
            latency = self._task.latency(whole) if self._task.latency else None
            found = layers(self._model, sensitivity, operations, self._best.floating, latency)
        return Repair(self._best, self._accuracy, tuple(self._steps), found, self._trials.evaluations)

    def _met(self) -> bool:
        return self._budget.met(self._accuracy)

    def _equalised(self, candidate: Candidate) -> Candidate:
        model = equalised(candidate.model, self._trials)
        return replace(candidate, model=model, ranges=self._task.calibrate(model))

    def _chosen(self, candidate: Candidate) -> Candidate:
        return chosen(candidate, self._trials)

    def _tried(self, name: str, candidate: Candidate) -> Candidate:
        """The candidate, judged, if it is the first or better than the best so far; else the best so far."""
        deviation = self._trials.deviation(candidate)
        if self._steps and deviation.error >= self._trials.deviation(self._best).error:
            self._steps.append(Step(name, deviation, None, kept=False))
            return self._best
        self._accuracy = self._judged(name, candidate, kept=True)
        return candidate

    def _judged(self, name: str, candidate: Candidate, *, kept: bool) -> Accuracy:
        accuracy = self._task.judge(candidate.int8)
        self._steps.append(Step(name, self._trials.deviation(candidate), accuracy, kept))
        return accuracy

    def _leave_in_float(self, sensitivity: dict[str, float], operations: dict[str, int]) -> None:
        """Find the fewest of the most sensitive convolutions that have to stay in float, by bisection."""
        self._keep(len(self._steps) - 1, kept=False)  # the bias correction is undone
        room = MAX_FLOAT * sum(operations.values())
        ranked = []
        for name in sorted(sensitivity, key=lambda name: -sensitivity[name]):
            if operations[name] <= room:
                ranked.append(name)
                room -= operations[name]
        too_few, enough = 0, len(ranked)
        accuracy = self._floating(ranked) if ranked else self._accuracy
        if not self._budget.met(accuracy):
            raise self._failure()
        found = len(self._steps) - 1
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            tried = self._floating(ranked[:middle])
            if self._budget.met(tried):
                enough, accuracy, found = middle, tried, len(self._steps) - 1
            else:
                too_few = middle
        self._keep(found, kept=True)
        self._best, self._accuracy = self._uncorrected.in_float(ranked[:enough]), accuracy

    def _keep(self, index: int, *, kept: bool) -> None:
        self._steps[index] = replace(self._steps[index], kept=kept)

    def _floating(self, names: Sequence[str]) -> Accuracy:
        name = f"{len(names)} convolution{'s' if len(names) > 1 else ''} in float"
        return self._judged(name, self._uncorrected.in_float(names), kept=False)

    def _failure(self) -> ExportError:
        judged = [(step.name, step.accuracy) for step in self._steps if step.accuracy]
        name, closest = min(judged, key=lambda entry: self._budget.excess(entry[1]))
        tried = ", ".join(step.name for step in self._steps[1:])
        return ExportError(
            f"the INT8 model has {closest} at best ({name}; tried: {tried}), expected "
            f"{self._budget.demand(closest)}: no file was kept; calibrate on frames like those of the check, allow a "
            f"larger loss, or export fp16"
        )
