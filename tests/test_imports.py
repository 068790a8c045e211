"""The house: imports go one way, and what runs on a board starts without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = {"errors", "files", "spec", "frames", "metrics", "console", "parts", "finding", "drawing"}
CORE |= {"quantiles", "record", "deadline", "drift", "energy", "boundary", "digits", "options"}
CORE |= {"endings", "folders", "image_header", "images", "json_fields", "limits", "mask_image", "masking", "modelkind"}
CORE |= {"renaming", "size"}
ALLOWED = {  # room: rooms of edgeunet that it may import
    **dict.fromkeys(CORE, CORE),
    "model": CORE,
    "graphcost": CORE,
    "fold": CORE | {"model"},
    "traced": CORE,
    "quantisation": CORE | {"quantisation"},
    "complexity": CORE | {"model"},
    "data": CORE | {"data"},
    "pages": CORE,
    "evaluation": CORE | {"evaluation", "data", "pages"},
    "samples": set(),
    "board": CORE | {"board"},
    "runtime": CORE | {"runtime", "board"},
    "training": CORE | {"training", "model", "fold", "traced", "quantisation", "data", "evaluation", "board"},
    "camera": CORE | {"camera", "runtime", "board", "data"},
}


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(ROOT / "edgeunet").parts[0].removesuffix(".py")


def test_imports_go_one_way() -> None:
    wrong = []
    for path in (ROOT / "edgeunet").rglob("*.py"):
        allowed = ALLOWED.get(room(path))
        for name in imports(path):
            top, *rest = name.split(".")
            if top in ("export", "benchmarks", "tests") or (
                top == "edgeunet" and rest and allowed is not None and rest[0] not in allowed | {"__version__"}
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    for path in (ROOT / "export").rglob("*.py"):
        wrong += [f"{path.name} imports {n}" for n in imports(path) if n.split(".")[0] in ("benchmarks", "tests")]
    assert wrong == []


def test_every_room_has_its_rule() -> None:
    rooms = {room(p) for p in (ROOT / "edgeunet").rglob("*.py")} - {"__init__", "__main__"}
    assert rooms - set(ALLOWED) == {"cli", "information"}, "these two may import everything"
    assert set(ALLOWED) - rooms == set(), "a rule without a room"


BLOCKED = """
import importlib, pkgutil, sys
sys.modules["torch"] = sys.modules["jinja2"] = None
import edgeunet.{0}
for module in pkgutil.walk_packages(edgeunet.{0}.__path__, "edgeunet.{0}."):
    importlib.import_module(module.name)
"""


@pytest.mark.parametrize("package", ["runtime", "camera", "board", "evaluation"])
def test_what_runs_on_a_board_starts_without_torch_and_jinja2(package: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", BLOCKED.format(package)], check=True)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edgeunet', '--help']\n"
        "from edgeunet.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'cv2', 'numpy', 'onnx', 'onnxruntime', 'scipy', 'matplotlib', 'av', 'jinja2'}\n"
        "heavy |= {'PIL', 'aiohttp', 'msgspec'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for verb in ("train", "evaluate", "predict", "info", "camera", "doctor", "data", "export", "bench"):
        assert verb in result.stdout
