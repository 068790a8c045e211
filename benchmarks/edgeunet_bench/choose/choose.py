"""`edgeunet choose`: every file against the best so far, those that lose too much accuracy left out."""

from __future__ import annotations

import io
import math
import os
import shutil
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.errors import DatasetError, ExportError, MismatchError, RecordError
from edgeunet.latency.quantiles import Summary
from edgeunet.runtime.cpu.layer_times import layer_times
from edgeunet.runtime.opening import spec_of
from edgeunet.utils.console import command_line, progress
from edgeunet.utils.files import require_distinct, sha256, write_json
from edgeunet.utils.folders import replacing_folder, require_folder_writable
from edgeunet.utils.limits import require_duration, require_seconds
from edgeunet.utils.model_kind import not_a_file
from edgeunet_bench.choose.choice_file import FILE, REMEDY, Basis, ChoiceRecord, CostlyLayer, Tried, load_choice
from edgeunet_bench.choose.contender import FAILURES, FLOAT, Contender, Unbuilt, built, has_gpu, settings, ways
from edgeunet_bench.choose.duel import Duel, fought
from edgeunet_bench.choose.model_versions import ChoiceFrames, cpu_files, float_file, gpu_files, keep
from edgeunet_bench.measure.surroundings import now
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.verify.accuracy import Accuracy, AccuracyBudget, paired_drop
from edgeunet_export.verify.mask_agreement import compare_on

if TYPE_CHECKING:
    from rich.progress import Progress

COSTLY = 5  # layers that are named


@dataclass(frozen=True)
class ChooseOptions:
    """split: to calibrate on. check: to compare on. budget: what a file may lose against fp32 there.

    budget_ms: what 99 of 100 frames may take. seconds: of each comparison, at most.
    """

    split: str = "train"
    check: str = "val"
    budget: AccuracyBudget = field(default_factory=AccuracyBudget)
    budget_ms: float | None = None
    seconds: float = 60.0

    def __post_init__(self) -> None:
        require_duration("--budget-ms", self.budget_ms)
        require_seconds("--seconds", self.seconds)

    def require_within_budget(self, choice: ChoiceRecord) -> None:
        """Raise MismatchError if it takes more than `budget_ms`."""
        if self.budget_ms is not None and choice.p99_ms > self.budget_ms:
            raise MismatchError(
                f"nothing is within {self.budget_ms:g} ms: {choice.name} is the fastest and takes {choice.p99_ms:.1f} "
                "ms at p99: train a smaller network or a smaller --size"
            )

    def words(self, data: Path) -> dict[str, str]:
        """What the choice depends on, as typed."""
        return {
            "--data": os.fsencode(data).decode("utf-8", "backslashreplace"),
            "--split": self.split,
            "--check-split": self.check,
            "--max-drop": f"{self.budget.max_drop:g}",
            "--min-agreement": f"{self.budget.min_agreement:g}",
            "--seconds": f"{self.seconds:g}",
        }


@dataclass
class _Match:
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
        """Compare its masks with the reference's; one that loses too little fights the best."""
        precision = contender.precision
        try:
            accuracy = self._accuracy(contender)
            if self.frames.budget.met(accuracy):
                self._fight(contender, accuracy)
            else:
                reason = f"the budget is {self.frames.budget.demand(accuracy)}"
                self._note(Tried(contender.name, precision, "loses too much", reason), accuracy)
        except FAILURES as error:
            self._note(Tried(contender.name, precision, "failed", str(error)))

    def tune(self, contender: Contender) -> None:
        """The best file with other settings, which change no mask."""
        try:
            self._fight(contender, None)
        except FAILURES as error:
            self._note(Tried(contender.name, contender.precision, "failed", str(error)))

    def fail(self, unbuilt: Unbuilt) -> None:
        self._note(Tried(unbuilt.name, "", "failed", unbuilt.reason))

    def _fight(self, contender: Contender, accuracy: Accuracy | None) -> None:
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


def choose(
    source: Path, data: Path, output: Path, options: ChooseOptions, *, force: bool, if_stale: bool
) -> tuple[ChoiceRecord, str]:
    """Try every file, keep the fastest in the folder `output`, and say what it rests on in choice.json there.

    if_stale: only if the choice there rests on something else, or there is none. Returns the choice, and why it was
    made again ("" if it was not there, or still holds). Raises ModelFileError, DatasetError or MismatchError for wrong
    input, OutputError if the folder exists and neither `force` nor `if_stale` is given, MismatchError if nothing is
    within the time; then nothing is kept.
    """
    if not source.is_file():
        raise not_a_file(source, "model file", "edgeunet train")
    require_distinct({"-o": output}, {"MODEL": source, "--data": data}, replaced=[output])
    basis = Basis.here(source, options.words(data))
    stale = ""
    if if_stale and (output / FILE).is_file():
        try:
            known = load_choice(output / FILE)
            stale = known.basis.changed(basis) or _damaged(known, output)
        except RecordError as error:  # also of another version
            stale = str(error).removesuffix(f": {REMEDY}")
        else:
            if not stale:
                options.require_within_budget(known)
                return known, ""
    replace = force or if_stale
    require_folder_writable(output, force=replace)
    frames = ChoiceFrames(data, options.split, options.check, options.budget)
    with replacing_folder(output, force=replace) as folder:
        work = folder / "work"  # in here, so that the next command removes what a killed one left
        work.mkdir()
        match, best, times = _fought_out(source, frames, work, options.seconds)
        kept = keep(best.path, folder)
        choice = ChoiceRecord(
            kept.name,
            sha256(kept),
            best.name,
            times.p50.value,
            times.p99.value,
            basis,
            tuple(match.tried),
            _costly(match),
            now(),
            command_line(),
        )
        options.require_within_budget(choice)
        shutil.rmtree(work)
        write_json(folder / FILE, choice.to_dict(), force=True)
    return choice, stale


def _fought_out(source: Path, frames: ChoiceFrames, work: Path, seconds: float) -> tuple[_Match, Contender, Summary]:
    """What was tried, the best of it and its times. Raises ExportError if not even the fp32 file runs."""
    on_gpu = has_gpu()
    fp32 = float_file(source, frames, work, logits=on_gpu)
    with given_images(frames.data, spec_of(fp32), source, 1) as given:  # before anything is measured
        for split in (frames.split, frames.check):
            given.of(split)
    with progress(by_itself=False) as bar:
        match = _Match(fp32, frames, seconds, bar)
        kind_of_best = ""
        for kind, make in (gpu_files if on_gpu else cpu_files)(fp32, frames, work):
            file = built(kind, make)
            if isinstance(file, Unbuilt):
                match.fail(file)
                continue
            before = match.best
            for contender in [Contender(kind, file)] if on_gpu else ways(kind, file, work):
                match.enter(contender)
            if match.best is not before:
                kind_of_best = kind
        if match.best is None:
            raise ExportError(f"nothing could be compared: {match.tried[0].name}: {match.tried[0].reason}")
        for contender in list(settings(match.best, kind_of_best, work)):
            match.tune(contender)
        return match, match.best, match.times_of(match.best)


def _costly(match: _Match) -> tuple[CostlyLayer, ...]:
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


def _damaged(choice: ChoiceRecord, folder: Path) -> str:
    model = folder / choice.model
    if not model.is_file() or sha256(model) != choice.sha256:
        return f"{model} is missing or was changed"
    return ""
