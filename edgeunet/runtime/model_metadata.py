"""The requirements for a model file: a spec in its metadata, and a graph with the tensors of that spec."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgeunet.errors import ModelFileError
from edgeunet.runtime.onnx_header import OnnxHeader, Tensor, read_onnx_header
from edgeunet.spec import METADATA_KEY, ModelSpec

MAKE = "make it with `edgeunet export onnx`, or of another tool's network with `edgeunet import`"


def read_spec(path: str | Path) -> ModelSpec:
    """The spec of a .onnx file, checked against its graph: the one reader for every command and backend.

    Raises ModelFileError if the file is missing, damaged, another kind of file, without a spec, or of a graph with
    other tensors than the spec says.
    """
    path = Path(path)
    header = read_onnx_header(path)
    spec = _spec_of(path, header)
    require_tensors(path, spec, header.inputs, header.outputs)
    return spec


def loadable(path: Path) -> str | bytes:
    """The argument that opens a file in ONNX Runtime and OpenVINO: its path, or its bytes if the path is not UTF-8,
    which they cannot read. With bytes they cannot find weights in another file, and report that.
    """
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return path.read_bytes()
    return str(path)


def require_tensors(path: Path, spec: ModelSpec, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Raise ModelFileError unless a graph has the tensors of every exported model, of the sizes that the spec says.

    frame: uint8 [N, H, W, spec.channels], the only input. mask: uint8 [N, H, W]. logits, if there: float
    [N, spec.logits, H, W]. confidence uint8 [N, H, W] and familiarity float32 [N], if there, as they must be where the
    spec says what they mean. N is 1 or free; a dimension that the file leaves open is not checked.
    """
    height, width = spec.input_size
    named = {tensor.name: tensor for tensor in (*inputs, *outputs)}
    expected = {
        "frame": Tensor("frame", "uint8", (1, *spec.frame_shape)),
        "mask": Tensor("mask", "uint8", (1, height, width)),
        "logits": Tensor("logits", "float32", (1, spec.logits, height, width)),
        "confidence": Tensor("confidence", "uint8", (1, height, width)),
        "familiarity": Tensor("familiarity", "float32", (1,)),
    }
    if "frame" not in {t.name for t in inputs} or "mask" not in {t.name for t in outputs}:
        found = ", ".join(map(str, named.values())) or "none"
        raise ModelFileError(f"{path} has the tensors {found}; edgeunet needs frame and mask, both uint8: {MAKE}")
    if further := [str(tensor) for tensor in inputs if tensor.name != "frame"]:
        raise ModelFileError(
            f"{path} has more inputs than frame ({', '.join(further)}), which edgeunet does not fill: {MAKE}"
        )
    if spec.trust and (lacking := {"confidence", "familiarity"} - {tensor.name for tensor in outputs}):
        raise ModelFileError(f"{path} has no output {min(lacking)}, of which its spec says what it means: {MAKE}")
    for name in expected.keys() & named.keys():
        if not _fits(named[name], expected[name]):
            raise ModelFileError(f"{path} has {named[name]} in its graph, but its spec needs {expected[name]}: {MAKE}")


def _spec_of(path: Path, header: OnnxHeader) -> ModelSpec:
    if METADATA_KEY not in header.metadata:
        raise ModelFileError(f"{path} has no edgeunet spec in its metadata: {MAKE}")
    try:
        text = header.metadata[METADATA_KEY].decode()
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path} carries a damaged spec (it is not UTF-8): export it again") from error
    return ModelSpec.from_json(text, origin=str(path))


def _fits(found: Tensor, expected: Tensor) -> bool:
    if found.dtype != expected.dtype and (found.name, found.dtype) != ("logits", "float16"):
        return False
    if found.shape is None or expected.shape is None:
        return True
    return len(found.shape) == len(expected.shape) and all(
        of_file is None or of_file == of_spec for of_file, of_spec in zip(found.shape, expected.shape, strict=True)
    )
