"""The builder: one for TensorRT 10.3 to 11.x and for TensorRT-RTX, whose bindings come as a parameter.

A network is strongly typed: what the ONNX file says is what runs. Only for implicit INT8, and for the DLA of TensorRT
10, is it weakly typed, with flags that TensorRT 11 does not have.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgeunet.board.gpu import Provider, version_of
from edgeunet.errors import EdgeUNetError, ExportError, GpuError, ModelFileError, UsageError
from edgeunet.runtime.gpu.tensorrt_log import errors
from edgeunet.utils.formatting import one_line
from edgeunet.utils.limits import MOST_BATCH, require_in
from edgeunet_export.engine import dla
from edgeunet_export.engine.watch import table_reader

_MEMORY = re.compile(r"out of memory|OutOfMemory|MemoryAllocation|bad_alloc|MEM_ALLOC", re.IGNORECASE)
_SHOWN = 5  # parser errors in one message


@dataclass(frozen=True)
class EngineOptions:
    """The build options; the names are those of the command's options.

    workspace: memory in MiB that one layer may use in addition to its tensors; if None all memory, or a quarter of it
        where CPU and GPU share it.
    level: how long to search for fast kernels, 0 to 5.
    max_batch: most frames at once, for a model of dynamic batch; each execution context has working memory for them.
    logits_only: leave out the mask of a model that has logits too; then the session's kernel decides the classes.
    dla: run on this DLA core, and on the GPU what the DLA cannot run.
    cache: calibration table of `edgeunet export cache`, for implicit INT8.
    timing_cache: kernel times that other builds on this machine have measured; next to the model if None.
    """

    provider: Provider = "tensorrt"
    workspace: int | None = None
    level: int = 3
    max_batch: int = 1
    logits_only: bool = False
    dla: int | None = None
    cache: Path | None = None
    timing_cache: Path | None = None

    def __post_init__(self) -> None:
        if self.provider not in ("tensorrt", "tensorrt_rtx"):
            raise UsageError(f"unknown provider {self.provider!r}: choose tensorrt or tensorrt_rtx")
        for name, value, least, most in (
            ("--level", self.level, 0, 5),
            ("--workspace", self.workspace, 1, 1 << 20),
            ("--max-batch", self.max_batch, 1, MOST_BATCH),
            ("--dla", self.dla, 0, 15),
        ):
            require_in(name, value, least, most)
        if self.provider == "tensorrt_rtx" and (self.dla is not None or self.cache or self.timing_cache):
            raise UsageError(
                "TensorRT-RTX has no DLA, no calibration table and no timing cache: leave out --dla, --cache and "
                "--timing-cache"
            )

    @classmethod
    def from_words(cls, words: Sequence[str], *, origin: str) -> EngineOptions:
        """Options from the result of words(); raises ModelFileError that names the file `origin` for anything else."""
        kinds: dict[str, Any] = {f"--{f.name.replace('_', '-')}": f for f in fields(cls)}
        found: dict[str, Any] = {}
        rest = list(words)
        try:
            while rest:
                kind = kinds[rest.pop(0)]
                if kind.name == "logits_only":
                    found[kind.name] = True
                elif kind.name in ("provider", "cache", "timing_cache"):
                    found[kind.name] = rest.pop(0) if kind.name == "provider" else Path(rest.pop(0))
                else:
                    found[kind.name] = _whole(rest.pop(0))
            return cls(**found)
        except (KeyError, IndexError, ValueError) as error:
            what = f"built with the options {' '.join(words)[:80]!r}, which `edgeunet export engine` does not have"
            raise ModelFileError(f"{origin} is damaged ({what}): build the engine again") from error

    def words(self) -> tuple[str, ...]:
        """The options as typed on a command line; those left at their default are left out."""
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        words = [[f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])] for name, value in given]
        return tuple(word for pair in words for word in pair)


def _whole(word: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", word):  # int() takes more, and refuses thousands of digits
        raise ValueError(word)
    return int(word)


@dataclass(frozen=True)
class BuiltEngine:
    """The result of a build.

    flags: TensorRT's, by name. gpu_layers: layers that the DLA cannot run.
    timing_cache: None if none was used; timing_cache_refused: the one given was from another machine.
    """

    plan: bytes
    flags: tuple[str, ...]
    gpu_layers: tuple[str, ...]
    timing_cache: bytes | None
    timing_cache_refused: bool
    seconds: float


def build_plan(
    trt: Any,
    source: Path,
    options: EngineOptions,
    log: Any,
    *,
    timing_cache: bytes | None = None,
    monitor: Any | None = None,
) -> BuiltEngine:
    """Build a plan from an ONNX file with the bindings `trt`.

    log: of tensorrt_log.log_to. timing_cache: its content, b"" for a new one, None for none.
    Raises UsageError for options that this version does not have, ModelFileError for a file that the parser refuses,
    GpuError if there is no builder or memory runs out, ExportError if the build fails for another reason.
    """
    begin = time.monotonic()
    weak = is_weakly_typed(trt, options)
    calibrator = _calibrator(trt, options)
    builder = _builder(trt, log)
    network = builder.create_network(_network_flags(trt, weak))
    parser = trt.OnnxParser(network, log)
    if options.dla is not None and not weak:
        dla.adjust(trt, parser)
    _parse(parser, source)
    if options.logits_only:
        _leave_out_mask(trt, network, source)
    config = builder.create_builder_config()
    config.builder_optimization_level = options.level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.max_aux_streams = 0  # one stream: the same order of kernels in every run
    if monitor is not None:
        config.progress_monitor = monitor
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace << 20)
    _add_profile(builder, network, config, options)
    flags = _set_precisions(trt, config, calibrator) if weak else ["STRONGLY_TYPED"]
    gpu_layers: tuple[str, ...] = ()
    if options.dla is not None:
        dla.choose(trt, builder, config, options.dla)
        flags.append("GPU_FALLBACK")
        gpu_layers = dla.fallback(network, config)
    refused = timing_cache is not None and not _set_timing_cache(config, timing_cache)
    plan = _serialized(builder, network, config, log)
    cache = None if timing_cache is None else bytes(config.get_timing_cache().serialize())
    return BuiltEngine(plan, tuple(flags), gpu_layers, cache, refused, time.monotonic() - begin)


def is_weakly_typed(trt: Any, options: EngineOptions) -> bool:
    """Whether TensorRT, not the file, chooses the precisions; then the file is fp32.

    Raises UsageError or GpuError if these bindings have no calibration tables or no DLA.
    """
    if options.cache is not None and not hasattr(trt.BuilderFlag, "INT8"):
        raise UsageError(
            f"TensorRT {trt.__version__} runs only what the file says, and has no calibration tables (only TensorRT 10 "
            f"has them): leave out --cache, and give the file of `edgeunet export int8`"
        )
    return (options.dla is not None and dla.typing_of(trt) == "weak") or options.cache is not None


def _calibrator(trt: Any, options: EngineOptions) -> Any:
    """A reader of the calibration table, or None without one. Raises ModelFileError if TensorRT would not read it."""
    if options.cache is None:
        return None
    from edgeunet_export.calibration.table_file import TensorRTVersion, read_table

    version = TensorRTVersion.parse(".".join(map(str, version_of(trt)[:3])))
    header, _ = read_table(options.cache)
    if header != version.header:
        raise ModelFileError(
            f"{options.cache} begins with {header!r}, TensorRT {version} reads {version.header!r}: make it with "
            f"`edgeunet export cache --tensorrt {version}`"
        )
    return table_reader(trt, options.cache.read_bytes())


def _builder(trt: Any, log: Any) -> Any:
    try:
        return trt.Builder(log)
    except TypeError as error:  # so the bindings report a null pointer
        raise GpuError(f"TensorRT did not create a builder ({_first() or error}): read {log.file.name}") from error


def _network_flags(trt: Any, weak: bool) -> int:
    """TensorRT 11 has strongly typed networks only, and takes no flag for it."""
    if weak or not hasattr(trt.BuilderFlag, "FP16"):
        return 0
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _parse(parser: Any, source: Path) -> None:
    if parser.parse_from_file(str(source)):
        return
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    said = [f"{e.node_operator()} {e.node_name()}: {' '.join(e.desc().split())}" for e in errors[:_SHOWN]]
    if len(errors) > _SHOWN:
        said.append(f"and {len(errors) - _SHOWN} more")
    reason = "; ".join(said) or _first() or "no reason given"
    raise ModelFileError(f"TensorRT's parser refuses {source} ({reason}): export it again with `edgeunet export`")


def _leave_out_mask(trt: Any, network: Any, source: Path) -> None:
    outputs = {tensor.name: tensor for tensor in (network.get_output(i) for i in range(network.num_outputs))}
    if "logits" not in outputs:
        raise UsageError(
            f"{source} has no logits, and --logits-only needs them: export it with `edgeunet export onnx --logits`"
        )
    network.unmark_output(outputs["mask"])
    # TensorRT drops layers without readers, but first it refuses a uint8 tensor inside a network.
    layers = (network.get_layer(index) for index in range(network.num_layers))
    cast = next(layer for layer in layers if layer.get_output(0).name == "mask")
    cast.__class__ = trt.ICastLayer  # get_layer returns the base class
    cast.to_type = trt.DataType.FLOAT


def _add_profile(builder: Any, network: Any, config: Any, options: EngineOptions) -> None:
    """A dynamic batch is 1 to max_batch frames, with kernels chosen for 1."""
    frame = network.get_input(0)
    batch, *size = tuple(frame.shape)
    if batch != -1:
        return
    if options.dla is not None:
        raise UsageError("the DLA takes a fixed batch only: export the model without --dynamic-batch")
    profile = builder.create_optimization_profile()
    profile.set_shape(frame.name, (1, *size), (1, *size), (options.max_batch, *size))
    if config.add_optimization_profile(profile) < 0:
        raise ExportError(f"TensorRT refuses batches of 1 to {options.max_batch}: choose another --max-batch")


def _set_precisions(trt: Any, config: Any, calibrator: Any) -> list[str]:
    """Weakly typed: FP16 where it is faster and where INT8 is not used; INT8 with a table. Gives the flags."""
    flags = ["FP16"]
    if calibrator is not None:
        config.int8_calibrator = calibrator
        flags.append("INT8")
    for flag in flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    return flags


def _set_timing_cache(config: Any, content: bytes) -> bool:
    """False if it is from another GPU or another version; then the build starts with an empty one."""
    cache = config.create_timing_cache(content)
    if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
        return True
    config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    return False


def _serialized(builder: Any, network: Any, config: Any, log: Any) -> bytes:
    try:
        plan = builder.build_serialized_network(network, config)
    except MemoryError as error:
        raise _failure(log, "out of memory") from error
    if plan is None:
        raise _failure(log, _first() or "no reason given")
    return bytes(plan)


def _failure(log: Any, reason: str) -> EdgeUNetError:
    if any(_MEMORY.search(message) for message in (reason, *errors())):
        return GpuError(
            f"memory ran out while TensorRT built the engine ({reason}): close other programs, or give a smaller "
            f"--workspace or --level; the log is {log.file.name}"
        )
    return ExportError(f"TensorRT could not build the engine ({reason}): the log is {log.file.name}")


def _first() -> str:
    """The first error is the cause; those after it follow from it."""
    return one_line(errors()[0], 300) if errors() else ""
