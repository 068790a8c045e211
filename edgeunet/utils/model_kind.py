"""The kind of a model file, by its content: people rename files."""

from __future__ import annotations

import re
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
_NO_MODELS = {
    "is empty: copy it again": rb"$",
    "is a pointer of Git LFS: `git lfs pull` fetches the file itself": rb"version https://git-lfs",
    "is a page of a website: download the file itself": rb"\s*<(!doctype|html|\?xml)",
    "is an archive: unpack it first": rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|.{257}ustar",
    "is a pickle of Python objects, and to load it would run code: give a .onnx file, or what torch.save() wrote": (
        rb"\x80[\x02-\x05]"
    ),
    "is a file of TensorFlow or Keras: make a .onnx file of it with tf2onnx": rb"\x89HDF\r\n|....TFL3",
    "is not a model but a text: give the model's own file": rb"([\t\n\r -~]|[\xc2-\xf4][\x80-\xbf]{1,3})+[\xc2-\xf4]?$",
}
"""How files begin that are no models, and what to do."""
_ZIP = b"PK\x03\x04"
_HEAD = 265  # where the mark of a tar file ends


def kind_of(path: Path) -> Kind:
    """The kind of a file; "" for a missing or another file."""
    start = _start(path) or b""
    if start.startswith(_ZIP):
        return "checkpoint" if _has_entry(path, "/data.pkl") else ""
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
    if kind and kind == wanted:
        return None
    advice = _ADVICE[kind].format(path=path) if kind else _no_model(path)
    if kind == "onnx" and path.suffix == ".onnx":
        advice = "is an ONNX file already: give the checkpoint that it was exported from"
    return ModelFileError(f"{path} {advice}") if advice else None


def _no_model(path: Path) -> str:
    """What a file of no kind is, and what to do; "" if that is not known."""
    start = _start(path)
    if start is None:
        return ""
    if start.startswith(_ZIP):
        if not zipfile.is_zipfile(path):
            return "is cut: copy or download it again"
        if _has_entry(path, "/models/model.json"):
            return "is of torch.export: make a .onnx file of torch.export.load() with torch.onnx.export()"
        return "is an archive: unpack it first"
    return next((advice for advice, begins in _NO_MODELS.items() if re.match(begins, start, re.I | re.S)), "")


def _start(path: Path) -> bytes | None:
    """The first bytes of a file; None if it cannot be read."""
    if not path.is_file():  # reading a pipe would block
        return None
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except OSError:
        return None


def _has_entry(path: Path, ending: str) -> bool:
    """Whether a ZIP file has an entry of such a name."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(ending) for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
