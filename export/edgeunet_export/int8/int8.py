"""ONNX → INT8 ONNX: calibrate, place Q/DQ, prove that the accuracy is kept, repair what is not, and write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto

import edgeunet
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.quantisation.placement import Placement, place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import CPU, TENSORRT, Dialect, dialect_of
from edgeunet.quantisation.value_ranges import spans
from edgeunet.runtime import open_session
from edgeunet.spec import ModelSpec
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import replacing, require_distinct, require_writable, sha256
from edgeunet.utils.folders import require_folder_writable
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated, stored_ranges
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.calibration.sensitivity import convolutions, wide_nodes
from edgeunet_export.graph.model_file import OPSET, OPSET_FP16_SCALES, read_fp32_model, set_opset, set_spec, write_model
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.graph.nodes import graph_of
from edgeunet_export.int8.quantize import quantized
from edgeunet_export.int8.repair.layers import Latency, measured
from edgeunet_export.int8.repair.repair import Repair, Task, repaired
from edgeunet_export.verify.accuracy import Budget, judged

PRECISIONS = ("int8", "int8+fp16")


@dataclass(frozen=True)
class Int8Options(CalibrationOptions):
    """What the ranges come from, what the file is for, and what the result is held against.

    ranges: a file of stored ranges to take instead of calibrating.
    target: one of dialect.TARGETS.
    precision: "int8" leaves what is not int8, and the scales, in float32; "int8+fp16" makes them float16.
    check_split: where both models are compared. budget: what INT8 may lose there.
    report: a folder for the sensitivity of every convolution, measured even if nothing has to be repaired.
    """

    ranges: Path | None = None
    target: str = TENSORRT.name
    precision: str = "int8"
    check_split: str = "val"
    budget: Budget = field(default_factory=Budget)
    report: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in PRECISIONS:
            raise UsageError(f"unknown precision {self.precision!r}: choose one of {', '.join(PRECISIONS)}")
        if self.dialect is not TENSORRT and self.half:
            raise UsageError(f"float16 beside int8 is for GPUs, got --target {self.target}: give --precision int8")

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.target)

    @property
    def half(self) -> bool:
        return self.precision == "int8+fp16"


@dataclass(frozen=True)
class Quantization:
    """What became of a model.

    repair: the accuracy, and what was done for it. convolutions: how many are in int8, of all_convolutions.
    left_float: operators that the placement doesn't know, with their number.
    wide: names of the convolutions that float16 is too small or too coarse for; they stay in float32.
    latency: of both models on this machine's CPU, each with its fastest backend; None for a file for TensorRT.
    """

    ranges: Ranges
    repair: Repair
    convolutions: int
    all_convolutions: int
    left_float: Mapping[str, int]
    wide: tuple[str, ...]
    latency: Latency | None


def ranges_path(output: Path) -> Path:
    """Where the ranges are stored that the INT8 file `output` was made from."""
    return output.with_suffix(".ranges.json")


def export_int8(source: Path, output: Path, options: Int8Options, *, force: bool) -> Quantization:
    """Write the INT8 version of the float model `source` to `output`, and its ranges beside it if they are new.

    Raises MismatchError for a dataset of other classes or the ranges of another model, ModelFileError for a model
    that is no float32 model of ours, DatasetError for a damaged split, OutputError if a file exists and `force` is
    false, ExportError if more than the budget is lost; nothing is kept then.
    """
    require_ending(output, ".onnx")
    written = {"-o": output, "--report": options.report}
    if options.ranges is None:
        written["the file of ranges beside -o,"] = ranges_path(output)
        require_writable(ranges_path(output), force=force)
    given = {"MODEL": source, "--data": options.data, "--ranges": options.ranges}
    require_distinct(written, given, replaced=[options.report] if options.report else [])
    if options.report:
        require_folder_writable(options.report, force=force)
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source, converted=True)
        parent_sha256 = sha256(source)  # now: another file may lie there after the long work
        stored = stored_ranges(options.ranges, source, model, spec, options.dialect) if options.ranges else None
        images = options.chosen(spec, source)
        folder = DatasetFolder.open(options.data)
        folder.image_paths(options.check_split)  # a missing split is found before the long work
        ranges = stored or calibrated(model, spec, images, options)
        wide = wide_nodes(model, spec, images) if options.half else frozenset[str]()
        task = Task(
            model,
            spec,
            ranges,
            images,
            calibrate=lambda other: calibrated(other, spec, images, options),
            build=partial(built, options, wide),
            judge=lambda int8: judged(source, int8, folder, options.check_split),
            latency=partial(_latency, source, images[0], spec) if options.dialect is CPU else None,
        )
        repair = repaired(task, options.budget, report=options.report is not None)
        set_spec(
            repair.int8,
            spec.with_provenance(
                precision=options.precision,
                target=options.dialect.name,
                parent_sha256=parent_sha256,
                calibration=ranges.summary,
                calibration_sha256=ranges.images_sha256,
                version=edgeunet.__version__,
            ),
        )
        opset = OPSET_FP16_SCALES if options.half else OPSET
        write_model(repair.int8, temporary, opset=opset, for_tensorrt=options.dialect is TENSORRT)
        if options.ranges is None:  # here: without its ranges no model is kept
            ranges.save(ranges_path(output), force=force)
    placement = _placed(options, wide, repair.candidate.model, repair.candidate.floating)
    latency = _latency(source, images[0], spec, repair.int8) if options.dialect is CPU else None
    return Quantization(
        ranges,
        repair,
        len(placement.convolutions),
        sum("Conv" in node.op_type for node in model.graph.node),
        placement.left_float,
        convolutions(model, wide),
        latency,
    )


def _placed(options: Int8Options, wide: frozenset[str], model: ModelProto, floating: frozenset[str]) -> Placement:
    return place(graph_of(model), options.dialect, wide | floating)


def built(
    options: Int8Options, wide: frozenset[str], model: ModelProto, ranges: Ranges, floating: frozenset[str]
) -> ModelProto:
    """The INT8 version of a float model, without a spec.

    wide: outputs of nodes that float16 can't hold. floating: outputs of nodes that stay in float for accuracy.
    """
    placement = _placed(options, wide, model, floating)
    int8 = quantized(model, placement, spans(graph_of(model), ranges.spans), np.float16 if options.half else np.float32)
    if options.half:
        set_opset(int8, OPSET_FP16_SCALES)
        int8 = narrowed(int8, wide)
    return int8


def _latency(source: Path, image: Path, spec: ModelSpec, int8: ModelProto) -> Latency:
    """Of both models on this machine's CPU."""
    ((_, frame),) = read_frames([image])
    set_spec(int8, spec.with_provenance(precision="int8", target=CPU.name))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        onnx.save(int8, path)
        return measured(source, path, frame, open_session)
