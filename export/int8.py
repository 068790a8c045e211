"""ONNX → INT8 ONNX: calibrate, place Q/DQ, write, and keep the file only if its masks still agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgeunet
from edgeunet.data.folder import DatasetFolder
from edgeunet.errors import ExportError, UsageError
from edgeunet.files import replacing, sha256
from edgeunet.runtime.ort import OnnxRuntimeSession
from export.calibrate import CalibrationOptions, calibrated_clips
from export.compare import Comparison, compare
from export.dialect import TENSORRT
from export.modelfile import OPSET, OPSET_FP16_SCALES, read_fp32_model, set_opset, set_spec, write_model
from export.narrow import narrowed, rounded_file
from export.placement import place
from export.quantize import quantized
from export.sensitivity import convolutions, wide_nodes

PRECISIONS = ("int8", "int8+fp16")


@dataclass(frozen=True)
class Int8Options(CalibrationOptions):
    """What the ranges come from, and what the result is held against.

    check_split: where the masks of both models are compared.
    min_agreement: share of pixels, 0 to 1, on which they must agree.
    precision: "int8" leaves what is not int8, and the scales, in float32; "int8+fp16" makes them float16.
    """

    check_split: str = "val"
    min_agreement: float = 0.98
    precision: str = "int8"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.min_agreement <= 1:
            raise UsageError(f"the least agreement is a share from 0 to 1, got {self.min_agreement}")
        if self.precision not in PRECISIONS:
            raise UsageError(f"unknown precision {self.precision!r}: choose one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Quantization:
    """What became of a model.

    left_float: operators that the placement doesn't know, with their number.
    wide: names of the convolutions that float16 is too small or too coarse for; they stay in float32.
    """

    images: int
    convolutions: int
    left_float: Mapping[str, int]
    wide: tuple[str, ...]
    comparison: Comparison  # A is the float model, B the INT8 one


def export_int8(source: Path, output: Path, options: Int8Options, *, force: bool) -> Quantization:
    """Write the INT8 version of the float model `source` to `output`, and compare the two.

    Raises MismatchError for a dataset of other classes, ModelFileError for a model that is no float32 model
    of ours, DatasetError for a damaged split, OutputError if the file exists and `force` is false,
    ExportError if too few pixels agree; nothing is kept then.
    """
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source)
        images = options.chosen(spec, source)
        folder = DatasetFolder.open(options.data)
        folder.image_paths(options.check_split)  # a missing split is found before the long work
        half = options.precision == "int8+fp16"
        wide = wide_nodes(model, spec, images) if half else frozenset[str]()
        placement = place(model, TENSORRT, wide)
        clips = calibrated_clips(model, spec, placement.groups, images, options.method)
        spans = {source: (-limit, limit) for group, limit in clips.items() for source in group.sources}
        int8 = quantized(model, placement, spans, np.float16 if half else np.float32)
        if half:
            set_opset(int8, OPSET_FP16_SCALES)
            int8 = narrowed(int8, wide)
        set_spec(
            int8,
            spec.with_provenance(
                precision=options.precision,
                parent_sha256=sha256(source),
                calibration=f"{options.method}, {len(images)} images",
                calibration_sha256=folder.sha256(options.split),
                version=edgeunet.__version__,
            ),
        )
        write_model(int8, temporary, opset=OPSET_FP16_SCALES if half else OPSET)
        with rounded_file(int8) as on_a_gpu:
            # Other backends drop the casts that round, or change how Q/DQ pairs are computed.
            comparison = compare(source, on_a_gpu, folder, options.check_split, opened=OnnxRuntimeSession)
        if comparison.agreement < options.min_agreement:
            raise ExportError(
                f"the INT8 masks agree with {source} on {comparison.agreement:.2%} of the pixels, expected "
                f"{options.min_agreement:.2%}: nothing was kept; calibrate on more images or with another --method, "
                "or accept it with --min-agreement"
            )
    return Quantization(
        len(images), len(placement.convolutions), placement.left_float, convolutions(model, wide), comparison
    )
