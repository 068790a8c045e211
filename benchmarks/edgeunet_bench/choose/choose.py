"""`edgeunet choose`: every file against the best so far, those that lose too much accuracy left out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeunet.errors import ExportError, MismatchError, RecordError
from edgeunet.latency.quantiles import Summary
from edgeunet.runtime.opening import spec_of
from edgeunet.utils.console import command_line, progress
from edgeunet.utils.files import require_distinct, sha256, write_json
from edgeunet.utils.folders import replacing_folder, require_folder_writable
from edgeunet.utils.limits import require_duration, require_seconds
from edgeunet.utils.model_kind import not_a_file
from edgeunet_bench.choose.choice_file import FILE, REMEDY, Basis, ChoiceRecord, load_choice
from edgeunet_bench.choose.contender import Contender, Unbuilt, built, has_gpu, settings, ways
from edgeunet_bench.choose.match import Match, costly_layers
from edgeunet_bench.choose.model_versions import ChoiceFrames, cpu_files, float_file, gpu_files, keep
from edgeunet_bench.measure.surroundings import now
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.verify.accuracy import AccuracyBudget

if TYPE_CHECKING:
    pass


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
            costly_layers(match),
            now(),
            command_line(),
        )
        options.require_within_budget(choice)
        shutil.rmtree(work)
        write_json(folder / FILE, choice.to_dict(), force=True)
    return choice, stale


def _fought_out(source: Path, frames: ChoiceFrames, work: Path, seconds: float) -> tuple[Match, Contender, Summary]:
    """What was tried, the best of it and its times. Raises ExportError if not even the fp32 file runs."""
    on_gpu = has_gpu()
    fp32 = float_file(source, frames, work, logits=on_gpu)
    with given_images(frames.data, spec_of(fp32), source, 1) as given:  # before anything is measured
        for split in (frames.split, frames.check):
            given.of(split)
    with progress(by_itself=False) as bar:
        match = Match(fp32, frames, seconds, bar)
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


def _damaged(choice: ChoiceRecord, folder: Path) -> str:
    model = folder / choice.model
    if not model.is_file() or sha256(model) != choice.sha256:
        return f"{model} is missing or was changed"
    return ""
