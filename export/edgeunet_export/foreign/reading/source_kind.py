"""What was given as the network: code, a folder, a file of PyTorch, or a .onnx file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from edgeunet.utils.model_kind import kind_of

SourceKind = Literal["code", "folder", "torch", "onnx"]
ADDRESS = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*(\.\w+)*")
"""package.module:name"""


def source_kind(source: str) -> SourceKind:
    """The kind; "onnx" for what is missing or of no kind, whose reader says so. Nothing is opened by its ending."""
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "torch" if kind_of(path) in ("checkpoint", "old checkpoint") else "onnx"
    return "code" if ADDRESS.fullmatch(source) or ".py:" in source else "onnx"
