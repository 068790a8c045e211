"""Writes docs/api.md from the sources: `python docs/make_api.py`. A test compares the two."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import edgeunet
from edgeunet import errors

GROUPS = {
    "Run a model": ("open_session", "Session", "Result", "ModelSpec"),
    "Train": ("train", "TrainingOptions", "TrainingResult"),
    "Score a model": ("evaluate", "Evaluation"),
    "Run a camera": ("run_camera", "CameraOptions", "SinkOptions", "HostPort", "LoopStats"),
}
START = """# The Python interface

What `import edgeunet` offers. A name is loaded at its first use: importing the package takes milliseconds, and what
runs on a board never loads PyTorch. The command line calls the same functions. Made from the sources by
`python docs/make_api.py`.

```python
import cv2
import edgeunet

with edgeunet.open_session("model.onnx") as session:
    mask = session.segment(cv2.imread("photos/street.jpg"))  # uint8 [h, w], class indices
    print(session.spec.names)

scores = edgeunet.evaluate("model.onnx", "my_frames", "val").values
print(f"mIoU {scores['miou']:.1%}")
```
"""


def document() -> str:
    parts = [START]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [f"### {name}\n\n```pyi\n{stub(getattr(edgeunet, name))}\n```\n" for name in names]
    parts.append(f"## Errors\n\n```text\n{inspect.getdoc(errors)}\n```\n")
    return "\n".join(parts)


def stub(value: Any) -> str:
    """Its source without the bodies: what comes in and goes out, the fields, the public methods, and all docstrings."""
    source = textwrap.dedent(inspect.getsource(value))
    lines = re.sub(r"  # type: ignore.*", "", source).splitlines()
    (node,) = ast.parse(source).body
    return "\n".join(_class(node, lines) if isinstance(node, ast.ClassDef) else _head(node, lines))


def _class(node: ast.ClassDef, lines: list[str]) -> Iterator[str]:
    yield from [*_head(node, lines), ""]
    overloaded = ""
    for item in node.body[1:]:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            if item.name != overloaded:
                yield ""
            overloaded = item.name
            yield from _head(item, lines)
        elif isinstance(item, (ast.Assign, ast.AnnAssign, ast.Expr)):
            yield from lines[item.lineno - 1 : item.end_lineno]


def _head(node: Any, lines: list[str]) -> list[str]:
    """From the first decorator to the end of the docstring."""
    first = min((node.lineno, *(decorator.lineno for decorator in node.decorator_list)))
    documented = ast.get_docstring(node) is not None
    last = node.body[0].end_lineno if documented else max(node.lineno, node.body[0].lineno - 1)
    return lines[first - 1 : last]


if __name__ == "__main__":
    Path(__file__).with_name("api.md").write_text(document(), encoding="utf-8")
