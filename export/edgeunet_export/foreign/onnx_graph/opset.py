"""A graph of any opset → the opset that every runtime here reads, as far as its operators allow."""

from __future__ import annotations

from onnx import ModelProto, version_converter

from edgeunet.errors import ModelFileError
from edgeunet.utils.formatting import one_line
from edgeunet_export.graph.model_file import IR_VERSION, OPSET

READABLE_IR = 10
"""An IR version that every ONNX Runtime of constraints.txt opens; what a newer one adds is not in these graphs."""


def lowered_ir(model: ModelProto) -> ModelProto:
    """A copy with an IR version that ONNX Runtime opens; the graph is the same."""
    model = type(model).FromString(model.SerializeToString())
    model.ir_version = min(model.ir_version, READABLE_IR)
    return model


def raised(model: ModelProto, origin: str) -> ModelProto:
    """The model at OPSET if it has an older one; else as it is. Raises ModelFileError for one that is too old."""
    version = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    if version >= OPSET:
        return model
    try:
        converted = version_converter.convert_version(model, OPSET)
    except (RuntimeError, ValueError, version_converter.ConvertError) as error:
        raise ModelFileError(
            f"{origin} has opset {version}, which cannot be made {OPSET} ({one_line(error, 120)}): export it with a "
            "newer opset"
        ) from error
    converted.ir_version = IR_VERSION[OPSET]
    return converted
