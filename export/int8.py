"""ONNX → INT8 ONNX: calibrate, place Q/DQ, write, and keep the file only if its masks still agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto

import edgeunet
from edgeunet.data.folder import DatasetFolder
from edgeunet.errors import ExportError, ModelFileError, UsageError
from edgeunet.files import replacing, sha256
from edgeunet.spec import ModelSpec
from export.calibrate import calibrated_clips
from export.compare import Comparison, compare
from export.frames import spread
from export.modelfile import read_model, set_spec, write_model
from export.placement import place
from export.quantize import quantized
from export.ranges import METHODS


@dataclass(frozen=True)
class Int8Options:
    """What the ranges come from, and what the result is held against.

    split: of the dataset `data`; the ranges come from at most `images` of its images, evenly spread.
    method: "minmax", "percentile" (99.99 %), "entropy" (Kullback-Leibler) or "mse".
    check_split: where the masks of both models are compared.
    min_agreement: share of pixels, 0 to 1, on which they must agree.
    """

    data: Path
    split: str = "train"
    # Pixels that stay the same, mean of three networks trained on the sample frames: mse 99.66 %, entropy 99.58,
    # minmax 99.53, percentile 99.44; on the sample clip, another camera's, 99.05, 98.30, 98.74, 97.79.
    method: str = "mse"
    images: int = 500
    check_split: str = "val"
    min_agreement: float = 0.98

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"unknown calibration method {self.method!r}: choose one of {', '.join(METHODS)}")
        if self.images < 1:
            raise UsageError(f"calibration needs at least 1 image, got {self.images}")
        if not 0 <= self.min_agreement <= 1:
            raise UsageError(f"the least agreement is a share from 0 to 1, got {self.min_agreement}")


@dataclass(frozen=True)
class Quantization:
    """What became of a model.

    left_float: operators that the placement doesn't know, with their number.
    """

    images: int
    convolutions: int
    left_float: Mapping[str, int]
    comparison: Comparison  # A is the float model, B the INT8 one


def export_int8(source: Path, output: Path, options: Int8Options, *, force: bool) -> Quantization:
    """Write the INT8 version of the float model `source` to `output`, and compare the two.

    Raises MismatchError for a dataset of other classes, ModelFileError for a model that is no float32 model
    of ours, DatasetError for a damaged split, OutputError if the file exists and `force` is false,
    ExportError if too few pixels agree; nothing is kept then.
    """
    with replacing(output, force=force) as temporary:
        model, spec = read_model(source)
        _require_float(model, spec, source)
        folder = DatasetFolder.open(options.data)
        spec.require_classes(folder.names, model=str(source), dataset=str(options.data))
        folder.image_paths(options.check_split)  # a missing split is found before the long work
        images = spread(folder.image_paths(options.split), options.images)
        placement = place(model)
        clips = calibrated_clips(model, spec, placement.groups, images, options.method)
        int8 = quantized(model, placement, clips)
        set_spec(
            int8,
            spec.with_provenance(
                precision="int8",
                parent_sha256=sha256(source),
                calibration=f"{options.method}, {len(images)} images",
                calibration_sha256=folder.sha256(options.split),
                version=edgeunet.__version__,
            ),
        )
        write_model(int8, temporary)
        comparison = compare(source, temporary, folder, options.check_split)
        if comparison.agreement < options.min_agreement:
            raise ExportError(
                f"the INT8 masks agree with {source} on {comparison.agreement:.2%} of the pixels, expected "
                f"{options.min_agreement:.2%}: nothing was kept; calibrate on more images or with another --method, "
                "or accept it with --min-agreement"
            )
    return Quantization(len(images), len(placement.convolutions), placement.left_float, comparison)


def _require_float(model: ModelProto, spec: ModelSpec, path: Path) -> None:
    precision = spec.provenance.precision
    if precision != "fp32" or any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        raise ModelFileError(f"{path} is {precision} already: give the fp32 model of `edgeunet export onnx`")
