"""What `edgeunet train` does: check the data, choose what is not given, train, and show it."""

from __future__ import annotations

import math
import operator
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import reduce
from pathlib import Path

from rich.progress import Progress

from edgeunet.board.machine import usable_cpus
from edgeunet.data.checks import check_dataset
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.facts.levels import text_of
from edgeunet.data.facts.object_sizes import usual_input_size
from edgeunet.data.loading import MEMORY, LoadedSplit, load_split
from edgeunet.data.statistics import SplitFacts
from edgeunet.errors import DatasetError
from edgeunet.evaluation.metrics import Scores
from edgeunet.network.pretrained import WEIGHTS_SHA256, pretrained_scale, require_weights
from edgeunet.network.unet import UNet, preset, require_input
from edgeunet.quantisation.target import target_of
from edgeunet.spec import ModelSpec, Provenance
from edgeunet.training.hardware import keep_freed_memory
from edgeunet.training.output.run_folder import LAST, OUTPUTS, claimed, require_free, require_run
from edgeunet.training.processes import distributed
from edgeunet.training.qat.learnt_ranges import fake_quantised
from edgeunet.training.recipe import Recipe
from edgeunet.training.start.earlier_network import ContinuedNetwork, continued
from edgeunet.training.start.imagenet_encoder import with_imagenet_encoder
from edgeunet.training.start.parent_checkpoint import ParentCheckpoint
from edgeunet.training.training_job import TrainingJob
from edgeunet.training.training_options import DEFAULT, TrainingOptions
from edgeunet.training.training_run import TrainingResult
from edgeunet.training.training_run import train as train_job
from edgeunet.utils import console
from edgeunet.utils.files import require_distinct
from edgeunet.version import __version__


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
        require_distinct({"-o": [folder, *written]}, {"DATA": data, "--qat": options.qat, "--weights": options.weights})
        if distributed.rank() == 0:
            if options.resume:
                require_run(folder)
            else:
                require_free(folder, force=options.force)
            stack.enter_context(claimed(folder))
        job, kept = _job(data, folder, recipe, options, began)
        return _train(job, data, options, kept)


def _job(
    data: Path, folder: Path, recipe: Recipe, options: TrainingOptions, began: float
) -> tuple[TrainingJob, tuple[str, ...]]:
    """Everything that is checked and chosen before the first step, and lines that say what a new run starts from."""
    config = preset(
        options.model or DEFAULT, classes=1, advice="; to go on from a checkpoint: --resume, --weights or --qat"
    )
    parent = None
    if path := options.weights or options.qat:
        parent = ParentCheckpoint.read(path, folder / LAST if options.weights and options.resume else None)
        parent.require_preset(options.model)
        config = parent.net.config
    if options.starts_pretrained and not options.resume:
        require_weights()
    if options.size is not None:
        require_input(config, options.size)
    if parent is not None and options.weights:
        options = replace(options, channels=options.channels or parent.spec.channels)
    dataset = DatasetFolder.open(data, parent.spec.pixels if parent and options.qat else options.pixels)
    quiet = distributed.rank() > 0
    loaded = _loaded(dataset, (*options.splits, "val"), quiet=quiet)
    samples = reduce(operator.add, (loaded[split] for split in options.splits))
    spec = _spec(dataset, samples, options, parent)
    if not quiet:
        _check(dataset, {split: read.facts for split, read in loaded.items()}, spec)
    config = replace(config, classes=spec.logits, in_channels=spec.channels)
    start: UNet | None = None
    new: ContinuedNetwork | None = None
    if parent is not None and options.qat:
        parent.spec.require_classes(spec.names, model=str(parent.path), dataset=str(data))
        spec = replace(parent.spec, provenance=spec.provenance)
        start = fake_quantised(parent.net, spec, samples, target_of(options.target))
    elif parent is not None:
        new = continued(parent.net, parent.spec, spec, seed=recipe.seed)
    elif options.starts_pretrained:
        new = with_imagenet_encoder(config, seed=recipe.seed, resumed=options.resume)
    job = TrainingJob(
        samples,
        None if "val" in options.splits else loaded["val"],
        config,
        spec,
        recipe,
        folder,
        new.net if new else start,
        options.resume,
        options.force,
        workers=_default_workers() if options.workers is None else options.workers,
        precision=options.precision,
        compiled=options.compiled,
        time_budget_s=options.time_budget_s,
        began=began,
        kept=new.kept if new else frozenset(),
        splits=options.splits,
    )
    return job, new.changes if new and not options.resume else ()


def _loaded(dataset: DatasetFolder, names: Sequence[str], *, quiet: bool) -> dict[str, LoadedSplit]:
    """The splits of these names, each once, as many frames in memory as all together may keep."""
    needed = tuple(dict.fromkeys(names))
    if lacking := [split for split in needed if split not in dataset.splits()]:
        what = f"{dataset.path} has no images/{lacking[0]}"
        raise DatasetError(f"{what}: training needs the splits {' and '.join(needed)}")
    loaded: dict[str, LoadedSplit] = {}
    room = MEMORY
    for split in needed:
        loaded[split] = load_split(dataset, split, memory=room, quiet=quiet)
        room = loaded[split].room
    return loaded


def _spec(
    dataset: DatasetFolder, samples: LoadedSplit, options: TrainingOptions, parent: ParentCheckpoint | None
) -> ModelSpec:
    """The spec of a network for the samples; the scale is the parent's where it reads the same channels."""
    pretrained = WEIGHTS_SHA256 if options.starts_pretrained else ""
    if parent is not None:
        pretrained = parent.spec.provenance.pretrained_sha256
    mean, std = pretrained_scale(dataset.pixels.channels) if pretrained else ModelSpec.usual_scale(dataset.pixels)
    if parent is not None and parent.spec.channels == dataset.pixels.channels:
        mean, std = parent.spec.mean, parent.spec.std
    origin = Provenance(
        dataset_sha256=samples.sha256,
        parent_sha256=parent.digest if parent else "",
        version=__version__,
        pretrained_sha256=pretrained,
        splits=_splits(options.splits, parent),
    )
    return ModelSpec(
        dataset.classes,
        options.size or default_size(samples.facts, options.tiles),
        tiles=options.tiles,
        fit=options.fit,
        ignore_index=dataset.ignore_index,
        provenance=origin,
        channels=dataset.pixels.channels,
        levels=options.levels_of(samples),
        mean=mean,
        std=std,
    )


def _splits(own: Sequence[str], parent: ParentCheckpoint | None) -> str:
    """All splits that the weights have seen, those of a parent's dataset too, as the provenance has them."""
    before = parent.spec.provenance.splits.split(",") if parent and parent.spec.provenance.splits else []
    names = ",".join(dict.fromkeys([*before, *own]))
    return "" if names == "train" else names


def _check(dataset: DatasetFolder, splits: Mapping[str, SplitFacts], spec: ModelSpec) -> None:
    """Show what is hard to learn from the data; raise DatasetError for what is impossible."""
    found = check_dataset(dataset, splits, spec.fitted_size, tiled=spec.tiles != (1, 1))
    if wrong := [check.text.removeprefix(f"{dataset.path}: ") for check in found if check.state == "wrong"]:
        raise DatasetError(f"{dataset.path} cannot be trained on: {'; '.join(wrong)}")
    for check in found:
        console.stderr().print(f"{'note' if check.state == 'ok' else 'warning'}: {check.text}")


def _train(job: TrainingJob, data: Path, options: TrainingOptions, start: Sequence[str]) -> TrainingResult:
    out, bar = console.stdout(), console.progress()
    out.quiet = bar.disable = bar.console.quiet = distributed.rank() > 0
    together = f" in {distributed.size()} processes" if distributed.size() > 1 else ""
    length = f"for {job.steps} steps" if job.time_budget_s is None else f"for {job.time_budget_s:g} s, in steps"
    spec = job.spec
    network = options.weights or options.qat or options.model or DEFAULT
    summary = (
        f"training {network} on {len(job.train)} frames of {data}, {len(spec.classes)} classes, "
        f"input {spec.input_text}{_kind(spec)}, {length} of {job.recipe.batch} crops{together}"
    )
    display = _Display(bar, job)

    def begin() -> None:
        out.print("\n".join([summary, *start]))
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
    if job.val is None:
        out.print(f"no score, because val was trained on: {result.checkpoint} is the network of the last step")
    elif result.miou is None:
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
    return min(4, len(usable_cpus()) // 4 // distributed.size_here())


class _Display:
    """The progress bar, with a line for each evaluation above it."""

    def __init__(self, bar: Progress, job: TrainingJob) -> None:
        """The bar counts steps, or the seconds of a time budget, evaluations included."""
        self._bar, self._names, self._scored = bar, job.spec.names, job.val is not None
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
        if not self._scored:
            return
        classes = "  ".join(
            f"{n} {'–' if math.isnan(v) else f'{100 * v:.0f}'}" for n, v in zip(self._names, scores.iou, strict=True)
        )
        miou = "   –" if math.isnan(scores.miou) else f"{100 * scores.miou:4.1f}"
        self._bar.console.print(f"step {step:5}  mIoU {miou}{' *' if best else '  '} {classes}")
