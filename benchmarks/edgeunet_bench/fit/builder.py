"""Making one candidate: train, export, compare with the file before, and score."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgeunet.errors import UsageError
from edgeunet.evaluation.command import evaluate
from edgeunet.quantisation.target import TENSORRT
from edgeunet.runtime.opening import ONNX_BACKENDS
from edgeunet.training.command import train
from edgeunet.training.output.run_folder import BEST, LAST
from edgeunet.training.recipe import RECIPES
from edgeunet.training.training_options import TrainingOptions
from edgeunet.utils.limits import require_count, require_seed
from edgeunet_bench.fit.candidates import file_stem
from edgeunet_bench.sweep.sweep_file import Row
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.verify.accuracy import AccuracyBudget as Loss


@dataclass(frozen=True)
class BuildOptions:
    """recipe, steps, seed: of the training; steps instead of the recipe's. max_drop: points of mIoU that INT8 may lose.

    split: labelled, of the dataset; the exports are compared and scored on it.
    """

    recipe: str = "standard"
    steps: int | None = None
    seed: int = 0
    max_drop: float = 0.3
    split: str = "val"

    def __post_init__(self) -> None:
        Loss(self.max_drop)
        known = [name for name in RECIPES if name != "qat"]  # that one goes on from a checkpoint
        if self.recipe not in known:
            raise UsageError(f"unknown recipe {self.recipe!r} for a fit: choose one of {', '.join(known)}")
        require_count("--steps", self.steps)
        require_seed(self.seed)


@dataclass(frozen=True)
class BuiltModel:
    """A model file, its scores (Evaluation.values), how it was verified, notes about it, the commands that make it."""

    model: Path
    checkpoint: Path
    scores: Mapping[str, Any]
    verified: str
    notes: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass
class Builder:
    """Makes candidates from one dataset in one folder; a network is trained once, whatever its precisions.

    force: replace what is in the folder. resume: continue a training that was interrupted there.
    """

    data: Path
    folder: Path
    options: BuildOptions
    force: bool
    resume: bool = False
    _trained: set[Path] = field(default_factory=set)

    def build(self, row: Row) -> BuiltModel:
        """Raises ExportError for a file that loses too much, DatasetError, OutputError or TrainingError."""
        options = self.options
        run = self.folder / file_stem(row.network, row.input_size, "run")
        self._train(row, run)
        fp32, model = (
            self.folder / f"{file_stem(row.network, row.input_size, p)}.onnx" for p in ("fp32", row.precision)
        )
        exported = [_line("export", "onnx", run / BEST, "-o", fp32, "--data", self.data, "--split", options.split)]
        # Written a moment ago where the same network failed in another precision.
        exported_network = export_onnx(
            run / BEST, fp32, ExportOptions(), data=self.data, split=options.split, force=True
        )
        parity = exported_network.parity
        verified = f"agrees with PyTorch on {parity.agreement:.3%} of the pixels of {parity.frames} frames"
        notes: tuple[str, ...] = ()
        if row.precision != "fp32":
            export = self._fp16 if row.precision == "fp16" else self._int8
            verified, notes, line = export(row, fp32, model)
            check = ("export", "verify", fp32, model, "--data", self.data, "--split", options.split)
            exported += [line, _line(*check)]
        backend = row.backend if row.backend in ONNX_BACKENDS and find_spec(row.backend) else None
        scores = evaluate(model, self.data, options.split, backend=backend).values
        trained = ("train", self.data, "-o", run, *self._training(row))
        evaluated = ("evaluate", model, self.data, "--split", options.split)
        commands = (_line(*trained), *exported, _line(*evaluated, *(("--backend", backend) if backend else ())))
        return BuiltModel(model, run / BEST, scores, verified, notes, commands)

    @property
    def _replace(self) -> bool:
        """A run that is resumed may have files of the exports already."""
        return self.force or self.resume

    def _training(self, row: Row) -> tuple[str, ...]:
        """Options of `edgeunet train`."""
        options, (height, width) = self.options, row.input_size
        steps = () if options.steps is None else ("--steps", str(options.steps))
        size = f"{height}x{width}"
        return ("--model", row.network, "--size", size, "--recipe", options.recipe, "--seed", str(options.seed), *steps)

    def _train(self, row: Row, run: Path) -> None:
        if run in self._trained:
            return
        options = self.options
        training = TrainingOptions(
            row.network,
            options.recipe,
            row.input_size,
            steps=options.steps,
            changes={"seed": options.seed},
            resume=self.resume and (run / LAST).is_file(),
            force=self.force,
        )
        train(self.data, run, training)
        self._trained.add(run)

    def _fp16(self, row: Row, fp32: Path, model: Path) -> tuple[str, tuple[str, ...], str]:
        result = export_fp16(fp32, model, Fp16Options(self.data), force=self._replace)
        verified = f"agrees with fp32 on {result.agreement:.3%} of the pixels of {result.images} frames"
        line = _line("export", "fp16", fp32, "-o", model, "--data", self.data)
        return verified, _slower(len(result.wide), "fp32, which float16 is too small for,"), line

    def _int8(self, row: Row, fp32: Path, model: Path) -> tuple[str, tuple[str, ...], str]:
        options = self.options
        target = row.backend if row.backend in ONNX_BACKENDS else TENSORRT.name
        result = export_int8(
            fp32,
            model,
            Int8Options(
                self.data,
                target=target,
                precision=row.precision,
                check_split=options.split,
                budget=Loss(options.max_drop),
            ),
            force=self._replace,
        )
        accuracy = result.repair.accuracy
        verified = f"{accuracy}, against fp32 on {accuracy.comparison.frames} {options.split} frames"
        notes = _slower(len(result.repair.candidate.floating), "float for accuracy,")
        notes += _slower(len(result.wide), "fp32, which float16 is too small for,")
        kind = ("--target", target, "--precision", row.precision)
        check = ("--max-drop", f"{options.max_drop:g}", "--check-split", options.split)
        return verified, notes, _line("export", "int8", fp32, "-o", model, "--data", self.data, *kind, *check)


def _slower(count: int, why: str) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count} convolution(s) stay in {why} but not in the file that was measured: it may be slower",)


def _line(*words: object) -> str:
    return shlex.join(["edgeunet", *map(str, words)])
