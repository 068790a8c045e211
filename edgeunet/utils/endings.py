"""Endings of the names of outputs: a file must not be called something that it is not."""

from __future__ import annotations

from pathlib import Path

from edgeunet.errors import UsageError

_KNOWN = {
    ".onnx": "an ONNX model",
    ".engine": "a TensorRT engine",
    ".pt": "a checkpoint",
    ".pth": "a checkpoint",
    ".json": "JSON",
    ".csv": "a table",
    ".html": "a page",
    ".md": "text",
    ".txt": "text",
    ".png": "a picture",
    ".jpg": "a picture",
    ".mp4": "a video",
    ".zip": "an archive",
}


def require_ending(path: Path, own: str) -> None:
    """Raise UsageError unless a file to be written is named by the ending of what it is, as its readers need it."""
    if path.suffix.lower() != own:
        name = f"{path.stem.strip('.') or 'model'}{own}"
        raise UsageError(f"-o {path}: {_KNOWN[own]} needs the ending {own}: name it {name}")


def require_no_other_ending(title: str, path: Path, what: str, *own: str) -> None:
    """Raise UsageError if a file to be written has the ending of something else.

    title: of its option. what: the file is. own: its endings; one that is not known is allowed too.
    """
    suffix = path.suffix.lower()
    if suffix in _KNOWN and suffix not in own:
        raise UsageError(
            f"{title} {path}: {suffix} is the ending of {_KNOWN[suffix]}, and this is {what}: give another name"
        )
