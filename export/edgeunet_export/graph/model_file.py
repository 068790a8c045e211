"""Model files: read and written with checks, with the spec in the metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from edgeunet.errors import ExportError, ModelFileError
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.spec import METADATA_KEY, ModelSpec
from edgeunet.trust import Trust
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.lint import lint
from edgeunet_export.graph.reductions import axes_as_input
from edgeunet_export.graph.trust_nodes import TrustNodes, without_trust
from edgeunet_export.graph.types import opset

OPSET = 17  # of our networks: their operators have not changed since
OPSET_FP16_SCALES = 19  # the first whose QuantizeLinear takes them
IR_VERSION = {OPSET: 8, 18: 8, OPSET_FP16_SCALES: 9, 20: 9}
"""The opsets that every supported TensorRT, OpenVINO and ONNX Runtime reads, and the IR version that came with each;
older readers refuse newer ones."""


def set_spec(model: ModelProto, spec: ModelSpec) -> None:
    """Store the spec in the model's metadata, in place of an older one."""
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})


def raise_opset(model: ModelProto, version: int) -> None:
    """Turn a model of an older opset of IR_VERSION into one of this opset; a newer one stays as it is.

    Two kinds of operators are written differently since 18: reductions have their axes as an input, and a Split into
    equal parts says how many.
    """
    before = opset(model)
    if before >= version:
        return
    for node in model.graph.node if before < 18 <= version else ():
        if node.op_type.startswith("Reduce") and any(entry.name == "axes" for entry in node.attribute):
            axes_as_input(node, model.graph.initializer)
        elif node.op_type == "Split" and len(node.input) < 2:
            node.attribute.append(helper.make_attribute("num_outputs", len(node.output)))
    model.opset_import[0].version = version
    model.ir_version = IR_VERSION[version]


def read_model(path: str | Path) -> tuple[ModelProto, ModelSpec]:
    """Read and check a .onnx file of edgeunet; raises ModelFileError if it is missing, damaged or does not match its
    spec."""
    path = Path(path)
    spec = read_spec(path)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)  # shapes and types too
        for tensor in model.graph.initializer:  # the checker does not see more values than the shape has
            numpy_helper.to_array(tensor)
    except Exception as error:  # protobuf, the checker and the loader each have exceptions of their own
        reason = " ".join(str(error).split())[:120]
        raise ModelFileError(f"{path} is not a valid ONNX model ({reason}): export it again") from error
    return model, spec


def weight_files(path: Path) -> tuple[str, ...]:
    """The files next to a sound .onnx file that hold its weights, by their paths from its folder; often none."""
    model = onnx.load(path, load_external_data=False)
    found = {
        entry.value
        for tensor in _tensors(model.graph)
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(sorted(found))


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Everything that is stored in a graph, also in the graphs inside its nodes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def read_fp32_model(path: Path, *, converted: bool = False) -> tuple[FloatModel, ModelSpec]:
    """Read a float32 model of edgeunet; raises ModelFileError like read_model, and for other precisions.

    Confidence and familiarity are left out, in the model and in the spec: read_trust() reads them.

    converted: into another .onnx file, so that this one must have an opset and an IR version that all readers know.
    """
    model, spec = read_model(path)
    precision = spec.provenance.precision
    if precision != "fp32" or any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        raise ModelFileError(f"{path} is {precision} already: give the fp32 model of `edgeunet export onnx`")
    if converted and (reason := unreadable(model)):
        raise ModelFileError(
            f"{path} has {reason}: give the file of `edgeunet export onnx` or `edgeunet import`, or convert yours with "
            "onnx.version_converter"
        )
    plain, trust = without_trust(model)
    if trust is None:
        return FloatModel.of(plain), spec
    spec = replace(spec, trust=None)
    set_spec(plain, spec)
    return FloatModel.of(plain, trust.read), spec


def read_trust(path: Path) -> tuple[TrustNodes, Trust] | None:
    """Confidence and familiarity of a model file, and what they mean; None without them. Raises as read_model."""
    model, spec = read_model(path)
    _, nodes = without_trust(model)
    return (nodes, spec.trust) if nodes is not None and spec.trust is not None else None


def unreadable(model: ModelProto) -> str:
    """What keeps a model's opset or IR version from being read by all runtimes, "" if nothing does."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if set(opsets) == {""} and model.ir_version <= IR_VERSION.get(opsets[""], 0):
        return ""
    found = ", ".join(f"{domain} {version}".strip() for domain, version in opsets.items())
    newest = IR_VERSION.get(opsets.get("", 0), max(IR_VERSION.values()))
    return (
        f"ONNX's opset {found} and IR version {model.ir_version}; TensorRT and OpenVINO read opsets {min(IR_VERSION)} "
        f"to {max(IR_VERSION)} without other domains, and IR version {newest} at most"
    )


def write_model(model: ModelProto, path: Path, *, for_tensorrt: bool = True) -> None:
    """Write the file and read it back; raises ExportError if it is not valid, has an opset that not all runtimes read,
    or breaks a rule of TensorRT (with `for_tensorrt`).
    """
    onnx.save(model, path)
    written = onnx.load(path)
    try:
        onnx.checker.check_model(written, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported model is not valid ONNX: {' '.join(str(error).split())[:160]}") from error
    if reason := unreadable(written):
        raise ExportError(f"the exported model has {reason}: install the pinned versions of constraints.txt")
    if for_tensorrt and (findings := lint(written)):
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise ExportError(f"the exported model breaks a rule of TensorRT: {findings[0]}{more}; please report this")


def model_sha256(model: ModelProto) -> str:
    """Hexadecimal SHA-256 of a model in memory; the same as of the file of edgeunet that it was read from."""
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def onnx_session(model: ModelProto, *, threads: int = 0, arena: bool = False) -> OrtModel:
    """A model in memory, for plain `run` calls on the CPU. Raises ModelFileError if ONNX Runtime refuses it.

    arena: keep freed memory for the next frame; then the activations of two frames are in memory at once.
    """
    return OrtModel(model.SerializeToString(), origin="the model", threads=threads, arena=arena)
