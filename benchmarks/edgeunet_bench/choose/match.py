"""The best so far: every contender is compared with fp32, and then runs against it."""

from __future__ import annotations

import io
import math
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.errors import DatasetError
from edgeunet.latency.quantiles import Summary
from edgeunet.runtime.cpu.layer_times import layer_times
from edgeunet_bench.choose.choice_file import CostlyLayer, Tried
from edgeunet_bench.choose.contender import FAILURES, FLOAT, Contender, Unbuilt
from edgeunet_bench.choose.duel import Duel, fought
from edgeunet_bench.choose.model_versions import ChoiceFrames
from edgeunet_export.verify.accuracy import Accuracy, paired_drop
from edgeunet_export.verify.mask_agreement import compare_on

if TYPE_CHECKING:
    from rich.progress import Progress

COSTLY = 5  # layers that are named


@dataclass
class Match:
    """The best so far, and what was tried."""

    reference: Path
    frames: ChoiceFrames
    seconds: float
    bar: Progress
    best: Contender | None = None
    times: Summary | None = None  # of the best, in its latest duel
    tried: list[Tried] = field(default_factory=list)
    slow_int8: list[Contender] = field(default_factory=list)

    def enter(self, contender: Contender) -> None:
        """Compare its masks with the reference's; one that loses little enough runs against the best."""
        precision = contender.precision
        try:
            accuracy = self._accuracy(contender)
            if self.frames.budget.met(accuracy):
                self._compete(contender, accuracy)
            else:
                reason = f"the budget is {self.frames.budget.demand(accuracy)}"
                self._note(Tried(contender.name, precision, "loses too much", reason), accuracy)
        except FAILURES as error:
            self._note(Tried(contender.name, precision, "failed", str(error)))

    def tune(self, contender: Contender) -> None:
        """The best file with other settings, which change no mask."""
        try:
            self._compete(contender, None)
        except FAILURES as error:
            self._note(Tried(contender.name, contender.precision, "failed", str(error)))

    def fail(self, unbuilt: Unbuilt) -> None:
        self._note(Tried(unbuilt.name, "", "failed", unbuilt.reason))

    def _compete(self, contender: Contender, accuracy: Accuracy | None) -> None:
        """accuracy: None where the masks are those of the best."""
        before = self.best
        if before is None:
            self.best = contender
            self._note(Tried(contender.name, contender.precision, "first", ""), accuracy)
            return
        duel = self._fought(contender, before)
        self.times = duel.challenger if duel.won else duel.best
        if duel.won:
            self.best = contender
        elif not duel.doubt and contender.precision not in FLOAT:
            self.slow_int8.append(contender)
        tried = Tried(
            contender.name,
            contender.precision,
            "faster" if duel.won else "undecided" if duel.doubt else "not surely faster",
            duel.doubt,
            duel.challenger.p50.value,
            before.name,
            (duel.ratio, duel.low, duel.high),
        )
        self._note(tried, accuracy)

    def times_of(self, best: Contender) -> Summary:
        """Of a call of the best; where nothing else could be run, it is measured against itself."""
        return self.times or self._fought(best, best).best

    def _fought(self, contender: Contender, best: Contender) -> Duel:
        shown = self.bar.task_ids[:]
        duel = fought(contender, best, self._inputs(), self.seconds, self.bar)
        for task in self.bar.task_ids[len(shown) :]:
            self.bar.remove_task(task)
        return duel

    def _accuracy(self, contender: Contender) -> Accuracy:
        with redirect_stderr(io.StringIO()):  # there is a progress bar already
            comparison = compare_on(self.reference, contender.path, self.frames.data, self.frames.check, worst=1)
        drop = paired_drop(*comparison.confusions) if comparison.confusions else None
        if drop is not None and math.isnan(drop.points):
            raise DatasetError(
                f"{self.frames.data}: no pixel of the split {self.frames.check} has a label, so no loss can be "
                "measured: label some, or give the folder of its images as --data"
            )
        return Accuracy(comparison, drop)

    def _inputs(self) -> Path | None:
        """The dataset, where --data is one."""
        return self.frames.data if (self.frames.data / CLASSES_FILE).is_file() else None

    def _note(self, tried: Tried, accuracy: Accuracy | None = None) -> None:
        if accuracy:
            drop = accuracy.drop.points if accuracy.drop else None
            tried = replace(tried, drop=drop, agreement=accuracy.comparison.agreement)
        self.tried.append(tried)
        self.bar.console.print(told(tried))


def told(tried: Tried) -> str:
    """What was tried and what came of it, in a line."""
    words = [f"{tried.name}:"]
    if tried.ms is not None:
        words.append(f"{tried.ms:.1f} ms,")
    if tried.times:
        _, low, high = tried.times
        words.append(f"{low:.2f} to {high:.2f} times as fast as {tried.against},")
    if tried.drop is not None:
        words.append(f"mIoU {0.0 - tried.drop:+.2f} points,")
    elif tried.agreement is not None:
        words.append(f"{tried.agreement:.2%} of the pixels the same,")
    words.append({"first": "the first"}.get(tried.outcome, tried.outcome))
    return " ".join(words) + (f": {tried.reason}" if tried.reason else "")


def costly_layers(match: Match) -> tuple[CostlyLayer, ...]:
    """The slowest layers of the INT8 files that were not surely faster, where none was."""
    if match.best is None or match.best.precision not in FLOAT:
        return ()
    found = []
    for contender in match.slow_int8:
        if contender.execution is not None:
            layers = layer_times(contender.path, contender.execution)
            total = sum(layer.ms for layer in layers)
            found += [CostlyLayer(contender.name, x.name, x.kind, x.ms, x.ms / total) for x in layers[:COSTLY]]
    return tuple(found)
