"""ONNX → calibration cache: the ranges of all tensors, for implicit INT8 and DLA on TensorRT 10."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto

from edgeunet.quantisation.placement import place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet.quantisation.value_ranges import spans, union
from edgeunet.utils.endings import require_no_other_ending
from edgeunet.utils.files import replacing, require_distinct
from edgeunet_export.calibration.calibrate import CalibrationOptions, ranges_of
from edgeunet_export.calibration.table_file import TensorRTVersion, write_cache
from edgeunet_export.graph.model_file import read_fp32_model
from edgeunet_export.graph.nodes import graph_of


@dataclass(frozen=True)
class Cached:
    """What a cache was made from, and for how many tensors."""

    ranges: Ranges
    tensors: int


def export_cache(
    source: Path, output: Path, origin: CalibrationOptions | Path, version: TensorRTVersion, *, force: bool
) -> Cached:
    """Write the ranges of the float32 model `source`, calibrated now or read from a file, to `output`.

    Raises MismatchError for a dataset of other classes or the ranges of another model, ModelFileError for a model
    that is no float32 model of ours, DatasetError for a damaged split, RecordError for a damaged file of ranges,
    OutputError if the file exists and `force` is false.
    """
    given = origin.data if isinstance(origin, CalibrationOptions) else origin
    require_distinct({"-o": output}, {"MODEL": source, "--data or --ranges": given})
    require_no_other_ending("-o", output, "a calibration cache", ".txt")
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source)
        ranges = ranges_of(source, model, spec, origin)
        limits = tensor_limits(model, ranges)
        write_cache(temporary, version, limits)
    return Cached(ranges, len(limits))


def tensor_limits(model: ModelProto, ranges: Ranges) -> dict[str, float]:
    """The |x| at which each float tensor is clipped; TensorRT quantises no other.

    Those that share a scale in the Q/DQ file share it here.
    """
    graph = graph_of(model)
    found = spans(graph, ranges.spans)
    shared = {tensor: group for group in place(graph, TENSORRT).groups for tensor in group}
    held = {tensor: union(found[member] for member in shared.get(tensor, (tensor,))) for tensor in found}
    return {tensor: max(-low, high) for tensor, (low, high) in held.items()}
