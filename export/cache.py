"""ONNX → calibration cache: the ranges of all tensors, for implicit INT8 and DLA on TensorRT 10."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onnx import TensorProto

from edgeunet.files import replacing
from export.cachefile import TensorRTVersion, write_cache
from export.calibrate import CalibrationOptions, calibrated_clips
from export.dialect import TENSORRT
from export.dtypes import element_types
from export.modelfile import read_fp32_model
from export.placement import Group, place


@dataclass(frozen=True)
class Cached:
    """What a cache was made from, and for how many tensors."""

    images: int
    tensors: int


def export_cache(
    source: Path, output: Path, options: CalibrationOptions, version: TensorRTVersion, *, force: bool
) -> Cached:
    """Write the ranges of the float32 model `source` to `output`.

    Every tensor that holds floats gets one; TensorRT quantises no other. Those that share a scale in the Q/DQ
    file share it here.
    Raises MismatchError for a dataset of other classes, ModelFileError for a model that is no float32 model of
    ours, DatasetError for a damaged split, OutputError if the file exists and `force` is false.
    """
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source)
        images = options.chosen(spec, source)
        types = element_types(model)
        floats = [t for node in model.graph.node for t in node.output if types[t] == TensorProto.FLOAT]
        groups = place(model, TENSORRT).groups
        grouped = {tensor for group in groups for tensor in group.tensors}
        groups += tuple(Group((tensor,), (tensor,)) for tensor in floats if tensor not in grouped)
        clips = calibrated_clips(model, spec, groups, images, options.method)
        limits = {tensor: limit for group, limit in clips.items() for tensor in group.tensors}
        write_cache(temporary, version, {tensor: limits[tensor] for tensor in floats})
    return Cached(len(images), len(floats))
