"""A graph of any opset → the opset that every runtime here reads, as far as its operators allow."""

from __future__ import annotations

from onnx import ModelProto, defs, version_converter

from edgeunet.errors import ModelFileError
from edgeunet.utils.formatting import one_line
from edgeunet_export.foreign.onnx_graph.float_graph import graphs
from edgeunet_export.graph.model_file import IR_VERSION, OPSET

_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "QLinearConv")
READABLE_IR = 10
"""An IR version that every ONNX Runtime of constraints.txt opens; what a newer one adds is not in these graphs."""


def lowered_ir(model: ModelProto) -> ModelProto:
    """A copy with an IR version that ONNX Runtime opens; the graph is the same."""
    model = type(model).FromString(model.SerializeToString())
    model.ir_version = min(model.ir_version, READABLE_IR)
    return model


def raised(model: ModelProto, origin: str) -> ModelProto:
    """The model at OPSET if it has an older one; else as it is. Raises ModelFileError for one that is too old."""
    version = _opset(model)
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


def require_float_operators(model: ModelProto, origin: str) -> None:
    """Raise ModelFileError for an opset that does not exist yet, for operators that not every runtime has, and for a
    network that is quantised already.
    """
    version, newest = _opset(model), defs.onnx_opset_version()
    if version > newest:
        raise ModelFileError(
            f"{origin} has opset {version}, and {newest} is the newest that is known here: export it with opset {OPSET}"
        )
    own = {(function.domain, function.name) for function in model.functions}
    for node in (node for graph in graphs(model.graph) for node in graph.node):
        if node.domain not in ("", "ai.onnx") and (node.domain, node.op_type) not in own:
            raise ModelFileError(
                f"{origin} has the operator {node.op_type} of {node.domain}, which is not ONNX's own: export it "
                "without, and give the file before any runtime optimised it"
            )
        if node.op_type in _QUANTISED:
            raise ModelFileError(
                f"{origin} is quantised already ({node.op_type}): import the float network, and quantise that with "
                "`edgeunet export int8`"
            )


def _opset(model: ModelProto) -> int:
    """Of ONNX's own operators; 0 for a file that does not say it."""
    return next((int(entry.version) for entry in model.opset_import if not entry.domain), 0)
