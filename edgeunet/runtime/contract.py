"""What a model file must be to be run: its spec in the metadata, and the two tensors of every exported model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeunet.errors import ModelFileError
from edgeunet.spec import METADATA_KEY, ModelSpec


def spec_of(path: Path, metadata: Mapping[str, str]) -> ModelSpec:
    """The spec in a file's metadata; raises ModelFileError if there is none."""
    if METADATA_KEY not in metadata:
        raise ModelFileError(f"{path} has no edgeunet spec in its metadata: make it with `edgeunet export onnx`")
    return ModelSpec.from_json(metadata[METADATA_KEY], origin=str(path))


def require_tensors(path: Path, types: Mapping[str, str]) -> None:
    """Raise ModelFileError unless `frame` and `mask` are there and uint8. types: "uint8" and the like, by name."""
    if any(types.get(name) != "uint8" for name in ("frame", "mask")):
        found = ", ".join(f"{name} ({kind})" for name, kind in types.items())
        raise ModelFileError(
            f"{path} has the tensors {found}; a model of ours has frame and mask, both uint8: "
            "make it with `edgeunet export onnx`"
        )
