"""ONNX → calibration table: the ranges of all tensors, for implicit INT8 and the DLA on TensorRT 10."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgeunet.quantisation.placement import Placement, place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet.quantisation.value_ranges import union, value_ranges
from edgeunet.utils.endings import require_no_other_ending
from edgeunet.utils.files import replacing, require_distinct
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated, stored_ranges
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.calibration.table_file import TensorRTVersion, write_table
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_fp32_model


@dataclass(frozen=True)
class CalibrationTable:
    """The ranges that a calibration table was made from, and the number of its tensors."""

    ranges: Ranges
    tensors: int


def export_table(
    source: Path, output: Path, origin: CalibrationOptions | Path, version: TensorRTVersion, *, force: bool
) -> CalibrationTable:
    """Write the ranges of the float32 model `source`, calibrated now or read from a file, to `output`.

    Raises MismatchError for a dataset of other classes or the ranges of another model, ModelFileError for anything but
    a float32 model of edgeunet, DatasetError for a damaged split, RecordError for a damaged file of ranges,
    OutputError if the file exists and `force` is false.
    """
    data = origin.data if isinstance(origin, CalibrationOptions) else origin
    require_distinct({"-o": output}, {"MODEL": source, "--data or --ranges": data})
    require_no_other_ending("-o", output, "a calibration table", ".txt")
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source)
        placement = place(model.graph, TENSORRT)
        if isinstance(origin, CalibrationOptions):
            with given_images(origin.data, spec, source, origin.images) as given:
                options = origin if given.dataset else replace(origin, split="")
                ranges = calibrated(model, spec, options.chosen(given.of(options.split), spec), options)
        else:
            ranges = stored_ranges(origin, source, model, spec, placement)
        limits = tensor_limits(model, placement, ranges)
        write_table(temporary, version, limits)
    return CalibrationTable(ranges, len(limits))


def tensor_limits(model: FloatModel, placement: Placement, ranges: Ranges) -> dict[str, float]:
    """The |x| at which each float tensor is clipped; TensorRT quantises no other.

    Tensors with one scale in the Q/DQ file have one limit here.
    """
    found = value_ranges(model.graph, ranges.value_ranges)
    shared = {tensor: group for group in placement.groups for tensor in group}
    held = {tensor: union(found[member] for member in shared.get(tensor, (tensor,))) for tensor in found}
    return {tensor: max(-low, high) for tensor, (low, high) in held.items()}
