"""File endings of outputs: the ending must fit the content."""

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
    ".pdf": "a PDF",
    ".png": "a picture",
    ".jpg": "a picture",
    ".jpeg": "a picture",
    ".mp4": "a video",
    ".zip": "an archive",
}


def require_ending(path: Path, *own: str, title: str = "-o") -> None:
    """Raise UsageError unless a file to be written has the ending, or one of several, that its readers need.

    title: of its option.
    """
    if path.suffix.lower() not in own:
        name = f"{path.stem.strip('.') or 'model'}{own[0]}"
        raise UsageError(f"{title} {path}: {_KNOWN[own[0]]} needs the ending {' or '.join(own)}: name it {name}")


def require_no_other_ending(title: str, path: Path, what: str, *own: str) -> None:
    """Raise UsageError if a file to be written has the ending of something else; unknown endings are allowed.

    title: of its option. what: the file is. own: its endings.
    """
    suffix = path.suffix.lower()
    if suffix in _KNOWN and suffix not in own:
        raise UsageError(
            f"{title} {path}: {suffix} is the ending of {_KNOWN[suffix]}, and this is {what}: give another name"
        )
