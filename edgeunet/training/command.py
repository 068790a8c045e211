"""What `edgeunet train` does: check the data, choose what is not given, train, and show it."""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from edgeunet.data.checks import check_dataset
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.facts.levels import AUTO, levels_from_text, levels_of_frames, text_of
from edgeunet.data.facts.object_sizes import usual_input_size
from edgeunet.data.loading import LoadedSplit, load_split
from edgeunet.data.statistics import SplitFacts
from edgeunet.errors import DatasetError, UsageError
from edgeunet.evaluation.metrics import Scores
from edgeunet.imaging.pixels import Levels
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import preset, require_input
from edgeunet.quantisation.target import TENSORRT, target_of
from edgeunet.spec import BGR, Fit, ModelSpec, PixelFormat, Provenance, require_fit
from edgeunet.training.hardware import keep_freed_memory, trained_precision
from edgeunet.training.output.run_folder import OUTPUTS, claimed, require_free
from edgeunet.training.processes import distributed
from edgeunet.training.qat.learnt_ranges import fake_quantised
from edgeunet.training.recipe import RECIPES, Recipe
from edgeunet.training.training_job import TrainingJob
from edgeunet.training.training_run import TrainingResult
from edgeunet.training.training_run import train as train_job
from edgeunet.utils import console
from edgeunet.utils.files import require_distinct, sha256
from edgeunet.utils.limits import require_in
from edgeunet.version import __version__

MOST_WORKERS = 1024
_CHOICES = {
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("cosine", "onecycle"),
    "loss": ("ce", "dice", "ce+dice"),
}


@dataclass(frozen=True)
class TrainingOptions:
    """What to train, and how.

    model: "nano", "small", "base", "lite" or "classic". size: (height, width) in pixels; chosen from the data if not
    given.
    tiles: (rows, columns) that each frame is cut into; `size` is then that of one tile.
    fit: how frames get to that size, "letterbox" or "stretch". channels: of the frames, 1, 3 or 4; 3 if not given.
    levels: for frames of 16 bits, which value is black and which white: "LOW:HIGH", once or for each channel with
    commas between them, or "auto", from the data; "" for frames of 8 bits.
    recipe: "quick", "standard", "thorough" or "qat"; "" chooses: "qat" with a checkpoint to start from, else
    "standard". steps: the number of steps, instead of the recipe's. changes: other fields of the recipe to replace;
    None keeps the recipe's value.
    time_budget_s: end after this many seconds instead of the recipe's steps. workers: processes that prepare crops, 0
    for this one; chosen by the number of cores if not given. precision: "auto", "fp32", "bf16" or, on a GPU, "fp16".
    compiled: through torch.compile.
    qat: the checkpoint to start from, trained as INT8 for `target`; it sets the network and the input size.
    resume: continue the interrupted run in the folder. force: replace what is in the folder.
    """

    model: str = "small"
    recipe: str = ""
    size: tuple[int, int] | None = None
    tiles: tuple[int, int] = (1, 1)
    fit: Fit = "letterbox"
    channels: int | None = None
    levels: str = ""
    steps: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    precision: str = "auto"
    compiled: bool = False
    time_budget_s: float | None = None
    resume: bool = False
    force: bool = False
    qat: Path | None = None
    target: str = TENSORRT.name

    def __post_init__(self) -> None:
        if self.recipe not in ("", *RECIPES):
            raise UsageError(f"unknown recipe {self.recipe!r}: choose one of {', '.join(RECIPES)}")
        target_of(self.target)
        given = {"size": self.size, "tiles": self.tiles != (1, 1), "channels": self.channels, "levels": self.levels}
        if self.qat and any(given.values()):
            wrong = next(name for name, value in given.items() if value)
            raise UsageError(f"--qat uses the input of its checkpoint: leave out --{wrong}")
        channels = self.pixels.channels
        if self.levels and self.levels != AUTO:
            levels_from_text(self.levels, channels)
        if self.resume and self.force:
            raise UsageError("--resume continues a run and --force starts again: give one of them")
        if self.time_budget_s is not None and self.steps is not None:
            raise UsageError("--steps and --time-budget both say when a run ends: give one of them")
        require_fit(self.fit)
        require_in("--workers", self.workers, 0, MOST_WORKERS)
        trained_precision(self.precision, distributed.device())
        for name, allowed in _CHOICES.items():
            if self.changes.get(name) not in (None, *allowed):
                raise UsageError(f"unknown {name} {self.changes[name]!r}: choose one of {', '.join(allowed)}")

    @property
    def pixels(self) -> PixelFormat:
        """Of the frames that are read, without a checkpoint to start from."""
        return PixelFormat(BGR.channels if self.channels is None else self.channels, bool(self.levels))

    def levels_of(self, samples: LoadedSplit) -> Levels:
        """The levels, typed or found in the samples; () for frames of 8 bits."""
        if self.levels == AUTO:
            return levels_of_frames((sample.frame for sample in samples), self.pixels.channels)
        return levels_from_text(self.levels, self.pixels.channels) if self.levels else ()

    def make_recipe(self) -> Recipe:
        """The recipe with `steps` and `changes` in it."""
        recipe = RECIPES[self.recipe or ("qat" if self.qat else "standard")]
        if self.steps is not None:
            recipe = replace(recipe, epochs=0, min_steps=self.steps)
        return replace(recipe, **{name: value for name, value in self.changes.items() if value is not None})


def train(data: str | Path, folder: str | Path, options: TrainingOptions | None = None) -> TrainingResult:
    """Train on the train split of the dataset folder `data`, and keep the network that is best on its val split.

    folder: where best.pt, last.pt, log.csv and run.json go. Shows progress on stderr and the result on stdout.
    Under torch's launcher this is one of its processes. Raises DatasetError, UsageError, OutputError, TrainingError,
    or KeyboardInterrupt when it was interrupted and can be resumed.
    """
    began = time.monotonic()
    data, folder, options = Path(data), Path(folder), options or TrainingOptions()
    keep_freed_memory()
    with distributed.processes(), ExitStack() as stack:
        recipe = options.make_recipe()
        written = [folder / name for name in OUTPUTS]
        require_distinct({"-o": [folder, *written]}, {"DATA": data, "--qat": options.qat})
        if distributed.rank() == 0:
            if not options.resume:
                require_free(folder, force=options.force)
            stack.enter_context(claimed(folder))
        job = _job(data, folder, recipe, options, began)
        return _train(job, data, options)


def _job(data: Path, folder: Path, recipe: Recipe, options: TrainingOptions, began: float) -> TrainingJob:
    """Everything that is checked and chosen before the first step."""
    network = preset(options.model, classes=1, advice="; to go on from a checkpoint: --resume or --qat")
    if options.size is not None:
        require_input(network, options.size)
    start_from = load_model(options.qat) if options.qat else None
    dataset = DatasetFolder.open(data, start_from[1].pixels if start_from else options.pixels)
    for split in ("train", "val"):
        if split not in dataset.splits():
            raise DatasetError(f"{data} has no images/{split}: training needs the splits train and val")
    quiet = distributed.rank() > 0
    samples = load_split(dataset, "train", quiet=quiet)
    mean, std = ModelSpec.usual_scale(dataset.pixels)
    spec = ModelSpec(
        dataset.classes,
        options.size or default_size(samples.facts, options.tiles),
        tiles=options.tiles,
        fit=options.fit,
        ignore_index=dataset.ignore_index,
        provenance=Provenance(dataset_sha256=samples.sha256, version=__version__),
        channels=dataset.pixels.channels,
        levels=options.levels_of(samples),
        mean=mean,
        std=std,
    )
    val = load_split(dataset, "val", memory=samples.room, quiet=quiet)
    if distributed.rank() == 0:
        tiled = spec.tiles != (1, 1)
        found = check_dataset(dataset, {"train": samples.facts, "val": val.facts}, spec.fitted_size, tiled=tiled)
        if wrong := [check.text.removeprefix(f"{data}: ") for check in found if check.state == "wrong"]:
            raise DatasetError(f"{data} cannot be trained on: {'; '.join(wrong)}")
        for check in found:
            console.stderr().print(f"{'note' if check.state == 'ok' else 'warning'}: {check.text}")
    start = None
    if start_from is not None and options.qat is not None:
        net, trained = start_from
        trained.require_classes(spec.names, model=str(options.qat), dataset=str(data))
        spec = replace(trained, provenance=replace(spec.provenance, parent_sha256=sha256(options.qat)))
        start = fake_quantised(net, spec, samples, target_of(options.target))
    config = start.config if start else preset(options.model, spec.logits, channels=spec.channels)
    return TrainingJob(
        samples,
        val,
        config,
        spec,
        recipe,
        folder,
        start,
        options.resume,
        options.force,
        workers=_default_workers() if options.workers is None else options.workers,
        precision=options.precision,
        compiled=options.compiled,
        time_budget_s=options.time_budget_s,
        began=began,
    )


def _train(job: TrainingJob, data: Path, options: TrainingOptions) -> TrainingResult:
    out, bar = console.stdout(), console.progress()
    out.quiet = bar.disable = bar.console.quiet = distributed.rank() > 0
    together = f" in {distributed.size()} processes" if distributed.size() > 1 else ""
    length = f"for {job.steps} steps" if job.time_budget_s is None else f"for {job.time_budget_s:g} s, in steps"
    spec = job.spec
    summary = (
        f"training {options.qat or options.model} on {len(job.train)} frames of {data}, {len(spec.classes)} classes, "
        f"input {spec.input_text}{_kind(spec)}, {length} of {job.recipe.batch} crops{together}"
    )
    display = _Display(bar, job)

    def begin() -> None:
        out.print(summary)
        bar.start()

    try:
        result = train_job(job, display, on_begin=begin)
        if not result.interrupted:
            display.finish()
    finally:
        bar.stop()
    if result.interrupted:
        out.print(f"interrupted at step {result.step}: the same command with --resume continues; {result.checkpoint}")
        distributed.barrier()  # the launcher ends all processes with the first
        raise KeyboardInterrupt
    if result.miou is None:
        out.print(f"no network could be scored: {result.checkpoint} is the network of the last step")
    else:
        out.print(f"best val mIoU {100 * result.miou:.1f} % → {result.checkpoint}")
    out.print(f"next: edgeunet export onnx {shlex.quote(str(result.checkpoint))} -o model.onnx")
    return result


def _kind(spec: ModelSpec) -> str:
    """What is special about the frames of a model, for people; "" for 8-bit BGR."""
    channels = {1: " of one channel", 3: "", 4: " of four channels"}[spec.channels]
    return f"{channels}, levels {text_of(spec.levels)}" if spec.levels else channels


def default_size(frames: SplitFacts, tiles: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """The input size (height, width) for these frames if none is given; of one tile if there are several."""
    return usual_input_size([f.size for f in frames.frames], tiles)


def _default_workers() -> int:
    return min(4, (os.cpu_count() or 1) // 4 // distributed.size_here())


class _Display:
    """The progress bar, with a line for each evaluation above it."""

    def __init__(self, bar: Progress, job: TrainingJob) -> None:
        """The bar counts steps, or the seconds of a time budget, evaluations included."""
        self._bar, self._names = bar, job.spec.names
        timed = job.time_budget_s is not None
        self._unit = 1000 if timed else 1  # positions for one unit of the bar
        self._total = max(1, round(job.time_budget_s)) if job.time_budget_s is not None else job.steps
        self._task = bar.add_task("training, seconds" if timed else "training, steps", total=self._total, note="")
        self._rate = 0.0

    def finish(self) -> None:
        """Fill the bar: a time budget's last evaluation is over."""
        self._bar.update(self._task, completed=self._total)

    def on_step(self, position: int, _: int, loss: float, images_per_s: float) -> None:
        self._rate = images_per_s if not self._rate else 0.9 * self._rate + 0.1 * images_per_s
        note = f"loss {loss:.3f}  {self._rate:.1f} images/s"
        self._bar.update(self._task, completed=position // self._unit, note=note)

    def on_evaluation(self, step: int, scores: Scores, *, best: bool) -> None:
        classes = "  ".join(
            f"{n} {'–' if math.isnan(v) else f'{100 * v:.0f}'}" for n, v in zip(self._names, scores.iou, strict=True)
        )
        miou = "   –" if math.isnan(scores.miou) else f"{100 * scores.miou:4.1f}"
        self._bar.console.print(f"step {step:5}  mIoU {miou}{' *' if best else '  '} {classes}")
