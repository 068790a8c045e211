"""Model files: reading and writing them whole, checked, with the spec in the metadata."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto, helper

from edgeunet.errors import ExportError, ModelFileError
from edgeunet.spec import METADATA_KEY, ModelSpec

OPSET = 17  # the newest that every supported TensorRT, OpenVINO and ONNX Runtime reads with fp32 scales
IR_VERSION = 8  # the one that came with opset 17; older readers refuse newer ones


def set_spec(model: ModelProto, spec: ModelSpec) -> None:
    """Store the spec in the model's metadata, in place of an older one."""
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})


def read_model(path: str | Path) -> tuple[ModelProto, ModelSpec]:
    """Read and check a .onnx file of ours; raises ModelFileError if it is missing, damaged or without a spec."""
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file; `edgeunet export onnx` makes one")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, the checker and the loader each have exceptions of their own
        reason = " ".join(str(error).split())[:120]
        raise ModelFileError(f"{path} is not a readable ONNX model ({reason}): export it again") from error
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in metadata:
        raise ModelFileError(f"{path} has no edgeunet spec in its metadata: make it with `edgeunet export onnx`")
    return model, ModelSpec.from_json(metadata[METADATA_KEY], origin=str(path))


def write_model(model: ModelProto, path: Path) -> None:
    """Write the file and read it back: valid, and of the opset that was asked for. Raises ExportError otherwise."""
    onnx.save(model, path)
    written = onnx.load(path)
    try:
        onnx.checker.check_model(written, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported model is not valid ONNX: {' '.join(str(error).split())[:160]}") from error
    opsets = [(entry.domain, entry.version) for entry in written.opset_import]
    if opsets != [("", OPSET)] or written.ir_version > IR_VERSION:
        raise ExportError(
            f"the exported model has opsets {opsets} and IR {written.ir_version}, "
            f"expected opset {OPSET} and IR {IR_VERSION} at most: install the pinned versions of constraints.txt"
        )


def onnx_session(model: ModelProto) -> onnxruntime.InferenceSession:
    """A model in memory, opened for plain `run` calls on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Keeping freed blocks for the next frame would hold the activations of two frames at once.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
