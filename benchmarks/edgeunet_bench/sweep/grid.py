"""What a sweep runs: every model file, and every checkpoint at every size, on every backend and number of threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgeunet.errors import EdgeUNetError, ModelFileError, UsageError, not_found
from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.runtime.opening import ONNX_BACKENDS
from edgeunet.spec import ModelSpec
from edgeunet.utils.limits import require_duration, require_seconds, require_seed, require_sizes, require_threads
from edgeunet.utils.model_kind import is_checkpoint
from edgeunet_bench.sweep.sweep_file import SkippedRun

Size = tuple[int, int]  # (height, width) in pixels


@dataclass(frozen=True)
class SweepOptions:
    """backends: for .onnx files; None for all that are installed. threads: of the CPU; empty for the session's choice.

    sizes: input sizes to export checkpoints at; empty for their own. data: dataset folder or video to take frames
    from. split: of a dataset, to compute the mIoU on. seconds: to measure each combination, over all passes.
    budget_ms: what a frame may take. seed: of the order.
    """

    backends: tuple[str, ...] | None = None
    threads: tuple[int, ...] = ()
    sizes: tuple[Size, ...] = ()
    data: Path | None = None
    split: str = "val"
    seconds: float = 6.0
    budget_ms: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if unknown := [name for name in self.backends or () if name not in ONNX_BACKENDS]:
            raise UsageError(f"unknown backend {unknown[0]!r}: choose from {', '.join(ONNX_BACKENDS)}")
        for name, values in (("backends", self.backends or ()), ("threads", self.threads), ("sizes", self.sizes)):
            if len(set(values)) < len(values):
                raise UsageError(f"--{name} has a value twice: give each once")
        require_threads(self.threads)
        require_sizes(self.sizes)
        require_seconds("--seconds", self.seconds)
        require_duration("--budget-ms", self.budget_ms)
        require_seed(self.seed)

    @property
    def labelled(self) -> bool:
        """Whether the data has masks, so that there is a mIoU."""
        return self.data is not None and (self.data / "masks" / self.split).is_dir()


@dataclass(frozen=True)
class Variant:
    """A file to run. name: of the file that was given. parameters: of a checkpoint's network."""

    name: str
    path: Path
    spec: ModelSpec
    parameters: int | None = None


@dataclass(frozen=True)
class Combination:
    """A file, and what runs it. backend and threads: None where the file leaves no choice."""

    variant: Variant
    backend: str | None
    threads: int | None


def require_files(models: Sequence[Path], options: SweepOptions) -> None:
    """Raise ModelFileError or UsageError for errors that show before a file is opened."""
    for path in models:
        if not path.is_file():
            raise ModelFileError(f"{not_found(path, 'model file')}; give .onnx or .engine files, or checkpoints (.pt)")
    if len({path.resolve() for path in models}) < len(models):
        raise UsageError("a model file is named twice: give each once")
    if options.sizes and not any(is_checkpoint(path) for path in models):
        raise UsageError("--sizes is for checkpoints (.pt), which are exported on the way: a .onnx file has one size")


def told_apart(models: Sequence[Path]) -> dict[Path, str]:
    """A unique name for each file: its own, with as many of its folders as needed."""
    names = {}
    for path in models:
        parts = path.resolve().parts
        others = [other.resolve().parts for other in models if other != path]
        count = next(n for n in range(1, len(parts) + 1) if all(parts[-n:] != other[-n:] for other in others))
        names[path] = "/".join(parts[-count:])
    return names


def expand(models: Sequence[Path], options: SweepOptions, folder: Path) -> tuple[list[Combination], list[SkippedRun]]:
    """Every combination to run, and the files that cannot be run. folder: where checkpoints are exported to."""
    found: list[Combination] = []
    skipped: list[SkippedRun] = []
    for path, name in told_apart(models).items():
        for size in options.sizes or (None,) if is_checkpoint(path) else (None,):
            try:
                variant = _exported(path, name, size, folder) if is_checkpoint(path) else _given(path, name)
            except EdgeUNetError as error:
                skipped.append(SkippedRun(name, size, "", None, str(error)))
            else:
                found += _ways(variant, options)
    return found, skipped


def _ways(variant: Variant, options: SweepOptions) -> list[Combination]:
    """One for an engine, backends × threads for a .onnx file."""
    if variant.path.suffix == ".engine":
        return [Combination(variant, None, None)]
    backends = options.backends or [name for name in ONNX_BACKENDS if find_spec(name) is not None]
    return [Combination(variant, backend, count) for backend in backends for count in options.threads or (None,)]


def _given(path: Path, name: str) -> Variant:
    """A model file as it is; an engine's .json says all without a GPU."""
    if path.suffix == ".engine":
        return Variant(name, path, EngineInfo.load(info_path(path)).spec)
    return Variant(name, path, read_spec(path))


def _exported(checkpoint: Path, name: str, size: Size | None, folder: Path) -> Variant:
    """The checkpoint as an fp32 model file of that input size, compared with PyTorch on the package's own frames."""
    from edgeunet.network.checkpoint import load_model_at
    from edgeunet_export.export_onnx import ExportOptions, export_onnx

    net, _, spec = load_model_at(checkpoint, size, None)
    height, width = spec.input_size
    output = folder / name / f"{height}x{width}.onnx"
    output.parent.mkdir(parents=True, exist_ok=True)
    exported = export_onnx(checkpoint, output, ExportOptions(size=size), data=None, split="", force=False)
    return Variant(name, output, exported.spec, sum(p.numel() for p in net.parameters()))
