"""The files to try: the float model in each precision that this machine may run faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from edgeunet.quantisation.target import TENSORRT
from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path
from edgeunet.runtime.onnx_header import read_onnx_header
from edgeunet.runtime.opening import spec_of
from edgeunet.spec import Execution
from edgeunet.utils.model_kind import is_checkpoint
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.engine.export_engine import export_engine
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.graph.model_file import read_fp32_model, set_spec
from edgeunet_export.int8.export_int8 import Int8Options, export_int8, ranges_path
from edgeunet_export.verify.accuracy import AccuracyBudget

MODEL = "model"


@dataclass(frozen=True)
class ChoiceFrames:
    """data: dataset, folder of photos or video. split: to calibrate on; check: to compare on."""

    data: Path
    split: str
    check: str
    budget: AccuracyBudget


def float_file(source: Path, frames: ChoiceFrames, folder: Path, *, logits: bool) -> Path:
    """The fp32 model in `folder`: of a checkpoint, or the file that was given.

    logits: as a second output, which leaves the classes to a kernel. Raises as export_onnx and read_fp32_model do.
    """
    path = folder / "fp32.onnx"
    if not is_checkpoint(source):
        spec = read_fp32_model(source, converted=True)[1]
        if spec.execution is None:
            return source
        run_so(source, None, path)  # it was chosen before, perhaps in bf16: the reference is plain fp32
        return path
    export_onnx(source, path, ExportOptions(logits=logits), data=frames.data, split=frames.check, force=False)
    return path


def run_so(file: Path, execution: Execution | None, path: Path) -> None:
    """Copy a .onnx file to `path`, with another execution in its spec."""
    model = onnx.load(file)
    set_spec(model, replace(spec_of(file), execution=execution))
    onnx.save(model, path)


def cpu_files(fp32: Path, frames: ChoiceFrames, folder: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Kind and maker of each .onnx file; the makers run in order. Symmetric int8 is what GPUs take: in ONNX Runtime on
    some processors it is the faster one.
    """
    yield "fp32", lambda: fp32
    ranges: list[Path] = []

    def int8(target: str) -> Path:
        path = folder / f"int8 for {target}.onnx"
        options = Int8Options(
            frames.data, frames.split, target=target, check_split=frames.check, budget=frames.budget, ranges=None
        )
        export_int8(fp32, path, replace(options, ranges=ranges[0]) if ranges else options, force=False)
        ranges.append(ranges_path(path))
        return path

    yield "int8", lambda: int8("onnxruntime")
    yield "symmetric int8", lambda: int8("tensorrt")


def gpu_files(fp32: Path, frames: ChoiceFrames, folder: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Kind and maker of each engine; where the file has logits, also with the classes decided by a kernel."""
    has_logits = any(tensor.name == "logits" for tensor in read_onnx_header(fp32).outputs)

    def engine(precision: str, *, logits_only: bool) -> Path:
        file = fp32 if precision == "fp32" else folder / f"{precision}.onnx"
        if precision == "fp16" and not file.exists():
            export_fp16(fp32, file, Fp16Options(frames.data, frames.split), force=False)
        elif not file.exists():
            options = Int8Options(
                frames.data,
                frames.split,
                target=TENSORRT.name,
                precision=precision,
                check_split=frames.check,
                budget=frames.budget,
            )
            export_int8(fp32, file, options, force=False)
        path = folder / f"{precision}{' logits' * logits_only}.engine"
        export_engine(file, path, EngineOptions(logits_only=logits_only), if_stale=False, force=False)
        return path

    for precision in ("fp32", "fp16", "int8+fp16", "int8"):
        yield precision, lambda precision=precision: engine(precision, logits_only=False)  # type: ignore[misc]
        if has_logits:
            kind = f"{precision}, classes by a kernel"
            yield kind, lambda precision=precision: engine(precision, logits_only=True)  # type: ignore[misc]


def keep(chosen: Path, folder: Path) -> Path:
    """Copy the chosen file to `folder` as model.onnx, or as model.engine with its description and its .onnx file."""
    path = folder / f"{MODEL}{chosen.suffix}"
    path.write_bytes(chosen.read_bytes())
    if chosen.suffix == ".engine":
        info = EngineInfo.load(info_path(chosen))
        source = folder / f"{MODEL}.onnx"
        source.write_bytes((chosen.parent / info.onnx).read_bytes())
        replace(info, onnx=source.name).save(info_path(path))
    return path
