"""`import edgeunet`: every public name, loaded at its first use, with a type that checkers see."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edgeunet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # What mypy makes of the names: a wrong type, or one that it does not see, is an error here.
    opened: Callable[[str], edgeunet.Session] = edgeunet.open_session
    scored: Callable[[str, str], edgeunet.Evaluation] = edgeunet.evaluate
    trained: Callable[[str, str], edgeunet.TrainingResult] = edgeunet.train
    run: Callable[[edgeunet.CameraOptions], Mapping[str, edgeunet.LoopStats]] = edgeunet.run_camera
    unknown = edgeunet.no_such_name  # type: ignore[attr-defined]

ALONE = """
import sys
before = set(sys.modules)
import edgeunet
print(*sorted(set(sys.modules) - before - set(sys.stdlib_module_names)))
assert set(edgeunet.__all__) <= set(dir(edgeunet))
"""


def test_import_loads_nothing_else() -> None:
    ran = subprocess.run([sys.executable, "-c", ALONE], check=True, capture_output=True, text=True)
    loaded = [name for name in ran.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert loaded == ["edgeunet", "edgeunet.errors", "edgeunet.version"]


@pytest.mark.parametrize("name", edgeunet.__all__)
def test_name_is_there(name: str) -> None:
    assert getattr(edgeunet, name).__name__ == name
    assert getattr(edgeunet, name).__doc__


def test_the_board_loads_no_torch() -> None:
    code = (
        "import sys, edgeunet as e; sys.modules['torch'] = None; e.open_session, e.evaluate, e.run_camera, e.ModelSpec"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(edgeunet, "no_such_name")


def test_checkers_and_python_load_the_same_names() -> None:
    """The imports for type checkers, the homes for Python and `__all__` are three lists of one thing."""
    tree = ast.parse(Path(edgeunet.__file__).read_text(encoding="utf-8"))
    (choice,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        str(node.module): tuple(alias.name for alias in node.names)
        for node in choice.body
        if isinstance(node, ast.ImportFrom)
    }
    homes = next(node for node in choice.orelse if isinstance(node, ast.Assign))
    assert imported == ast.literal_eval(homes.value)
    errors = {name for name in edgeunet.__all__ if name.endswith("Error")}
    assert {name for names in imported.values() for name in names} | errors == set(edgeunet.__all__)
    from edgeunet import errors as tree_of_errors

    assert errors == {
        name
        for name, value in vars(tree_of_errors).items()
        if getattr(value, "__module__", "") == tree_of_errors.__name__ and isinstance(value, type)
    }
