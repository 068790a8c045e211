"""The kind of a model file, by its content: people rename files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from edgeunet.errors import ModelFileError, not_found

Kind = Literal["checkpoint", "old checkpoint", "onnx", "engine", ""]

_ENGINES = (b"ftrt", b"vtrt", b"trtf", b"trtv")  # TensorRT and TensorRT-RTX, in both orders of bytes
_OLD_PYTORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # how PyTorch before 1.6 began a file
_IR_VERSION = b"\x08"  # the first field of a .onnx file
_ADVICE = {
    "checkpoint": "is a checkpoint: `edgeunet export onnx {path} -o MODEL.onnx` makes the model that runs",
    "old checkpoint": "is a file of PyTorch before 1.6, which has weights but no network",
    "onnx": "is an ONNX file: name it .onnx to run it, or give the checkpoint that it was exported from",
    "engine": "is a TensorRT engine: give the .onnx file that it was built from",
}


def kind_of(path: Path) -> Kind:
    """The kind of a file; "" for a missing or another file."""
    if not path.is_file():  # reading a pipe would block
        return ""
    try:
        with open(path, "rb") as file:
            start = file.read(32)
    except OSError:
        return ""
    if start.startswith(b"PK\x03\x04"):
        return "checkpoint" if _is_pytorch(path) else ""
    if start.startswith(_OLD_PYTORCH):
        return "old checkpoint"
    if start.startswith(_ENGINES):
        return "engine"
    return "onnx" if start.startswith(_IR_VERSION) and len(start) > 8 else ""


def is_checkpoint(path: Path) -> bool:
    """Whether to read a file as a checkpoint: it is one, or its name says so and it is missing or damaged."""
    return kind_of(path) == "checkpoint" or path.suffix.lower() in (".pt", ".pth")


def not_a_file(path: Path, what: str, maker: str) -> ModelFileError:
    """The error for a path that is no file. what: was expected there. maker: the command that makes one."""
    if path.is_dir():
        return ModelFileError(f"{path} is a folder, not a {what}: the model comes first, then the data")
    return ModelFileError(f"{not_found(path, what)}; `{maker}` makes one")


def other_kind(path: Path, wanted: Kind) -> ModelFileError | None:
    """The error for a file of another kind than the wanted one, with what to do; None for an unknown kind."""
    kind = kind_of(path)
    return None if kind in ("", wanted) else ModelFileError(f"{path} {_ADVICE[kind].format(path=path)}")


def _is_pytorch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
