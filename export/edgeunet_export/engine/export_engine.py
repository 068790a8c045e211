"""ONNX → TensorRT engine on this machine, with a sidecar that records its source and its machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeunet.board.gpu import Gpu, tensorrt_module
from edgeunet.errors import MismatchError, ModelFileError, not_found
from edgeunet.quantisation.target import CPU
from edgeunet.runtime.gpu.engine_file import (
    REMEDY,
    EngineInfo,
    Machine,
    check_engine,
    info_path,
    other_multiprocessors,
)
from edgeunet.runtime.gpu.tensorrt_log import log_to
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet.utils.endings import require_ending, require_no_other_ending
from edgeunet.utils.files import replacing, require_distinct, sha256
from edgeunet.version import __version__
from edgeunet_export.engine.build import BuiltEngine, EngineOptions, build_plan, is_weakly_typed
from edgeunet_export.engine.watch import interruptible, progress_monitor
from edgeunet_export.graph.model_file import read_fp32_model, read_model


@dataclass(frozen=True)
class Engine:
    """An engine that fits this machine.

    stale: why an existing engine was built again; "" otherwise.
    """

    info: EngineInfo
    built: bool  # False: it was up to date
    stale: str = ""
    timing_cache_refused: bool = False


def export_engine(source: Path, output: Path, options: EngineOptions, *, if_stale: bool, force: bool) -> Engine:
    """Build M.engine from M.onnx, with M.engine.json next to it and TensorRT's messages in M.engine.log.

    if_stale: build only if `output` is missing, damaged, or from another machine, ONNX file or options.
    Raises ModelFileError for a model that is not of edgeunet or that TensorRT refuses, GpuError or
    MissingDependencyError if the machine lacks something, UsageError, OutputError if the file exists and `force` is
    false, ExportError if the build fails; then the log is kept, but no engine.
    """
    require_ending(output, ".engine")
    written = {"-o": output, "its description": info_path(output), "its log": _log_of(output)}
    if options.timing_cache:
        require_no_other_ending("--timing-cache", options.timing_cache, "a timing cache")
    require_distinct(
        written | {"--timing-cache": _timing_of(source, options)}, {"MODEL": source, "--cache": options.cache}
    )
    _, spec = read_model(source)
    if spec.provenance.target == CPU.name:
        raise ModelFileError(
            f"{source} is INT8 for CPUs, which TensorRT cannot run: "
            "make it with `edgeunet export int8 FP32.onnx --data DATA --target tensorrt -o INT8.onnx`"
        )
    machine, trt = Machine.here(options.provider), tensorrt_module(options.provider)
    weak = is_weakly_typed(trt, options)
    if weak:
        read_fp32_model(source)  # refuses others
    elif options.dla is not None and spec.provenance.precision == "fp32":
        raise ModelFileError(
            f"{source} is fp32, which the DLA cannot run, and TensorRT {trt.__version__} runs what the file says: give "
            "the file of `edgeunet export fp16` or of `edgeunet export int8 --precision int8+fp16`"
        )
    spec = _engine_spec(spec, source, options, weak=weak)
    stale = ""
    if if_stale and output.exists():
        try:
            info = check_engine(output, machine)
        except (ModelFileError, MismatchError) as error:
            stale = str(error).partition(REMEDY)[0].rstrip(": ")
        else:
            stale = _changed(info, spec, options) or other_multiprocessors(info, machine)
            if not stale:
                return Engine(info, built=False)
    with replacing(output, force=force or if_stale) as temporary:
        built = _built(trt, source, output, _prudent(options, machine.gpu))
        temporary.write_bytes(built.plan)
        info = EngineInfo(
            provider=options.provider,
            tensorrt_version=".".join(map(str, machine.version)),
            gpu=machine.gpu.name if machine.gpu else "",
            compute_capability=machine.gpu.compute_capability if machine.gpu else "",
            platform=machine.platform,
            flags=built.flags,
            gpu_layers=built.gpu_layers,
            onnx=os.path.relpath(source.resolve(), output.parent.resolve()),
            options=options.words(),
            build_seconds=round(built.seconds, 3),
            plan_sha256=sha256(temporary),
            spec=spec,
            gpu_memory_mib=machine.gpu.memory_mib if machine.gpu else 0,
            multiprocessors=machine.gpu.multiprocessors if machine.gpu else 0,
            dla_core=options.dla,
        )
    info.save(info_path(output))
    return Engine(info, built=True, stale=stale, timing_cache_refused=built.timing_cache_refused)


def _prudent(options: EngineOptions, gpu: Gpu | None) -> EngineOptions:
    """TensorRT's own limit is all memory; where the system lives in it too, a greedy kernel would end programs."""
    if options.workspace is not None or gpu is None or not gpu.integrated:
        return options
    return replace(options, workspace=gpu.memory_mib // 4)


def _engine_spec(spec: ModelSpec, source: Path, options: EngineOptions, *, weak: bool) -> ModelSpec:
    """The model's spec with the engine's provenance: the precision is the file's, unless the engine is weakly typed."""
    spec = spec.with_provenance(parent_sha256=sha256(source), version=__version__)
    if options.cache is not None:
        if not options.cache.is_file():
            raise ModelFileError(f"{not_found(options.cache, 'calibration table')}; `edgeunet export cache` makes one")
        ranges = f"{options.cache.name} {sha256(options.cache)[:12]}"
        return spec.with_provenance(precision="int8+fp16", calibration=ranges)
    return spec.with_provenance(precision="fp16") if weak else spec


def _log_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.log")


def _timing_of(source: Path, options: EngineOptions) -> Path:
    return options.timing_cache or source.with_suffix(".timing")


def _changed(info: EngineInfo, spec: ModelSpec, options: EngineOptions) -> str:
    """The difference between the sources of an engine and those given; "" for the same."""
    if info.spec.with_provenance(version="") != spec.with_provenance(version=""):
        return "the ONNX file or the calibration table has changed"
    if info.options != options.words():
        return f"its options were {' '.join(info.options) or 'none'}"
    return ""


def _built(trt: Any, source: Path, output: Path, options: EngineOptions) -> BuiltEngine:
    """The plan, with the timing cache read and written; the log is kept, also if the build fails."""
    timing_path = _timing_of(source, options)
    timing: bytes | None = None
    if options.provider == "tensorrt":  # TensorRT-RTX measures nothing when it builds
        timing = timing_path.read_bytes() if timing_path.exists() else b""
    with open(_log_of(output), "w", encoding="utf-8") as file, log_to(trt, file) as log, progress() as bar:
        monitor = progress_monitor(trt, bar)
        with interruptible(monitor):
            built = build_plan(trt, source, options, log, timing_cache=timing, monitor=monitor)
    if built.timing_cache is not None:
        with replacing(timing_path, force=True) as temporary:
            temporary.write_bytes(built.timing_cache)
    return built
