"""Runs an arm of the self-guard on the code of a tree: `tree.py TREE ARM ARGUMENT…`.

The arms are the working tree's files, and import of `edgeunet` and `edgeunet_export` only what both commits have. The
release had no folders in its packages yet: its modules are loaded under today's names.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import edgeunet
from edgeunet.errors import EdgeUNetError

CHECKOUT = Path(__file__).parents[3]
FORMER = {  # today's name of a module: its name in the release
    "edgeunet.camera.loop.loop": "edgeunet.camera.loop",
    "edgeunet.camera.sources.source": "edgeunet.camera.source",
    "edgeunet.data.dataset": "edgeunet.data.folder",
    "edgeunet.imaging.letterbox": "edgeunet.frames",
    "edgeunet.network.checkpoint": "edgeunet.training.checkpoint",
    "edgeunet.network.unet": "edgeunet.model",
    "edgeunet_export.export_onnx": "export.exporter",
}


def argv(arm: str, tree: Path, *arguments: str) -> list[str]:
    """The command that runs an arm of this folder on the code in `tree`.

    A script by its path, not a module by its name: Python would look for that in the current folder first.
    """
    # The release's own `export` is a package, and its files, triton.py for one, must not hide other packages.
    code = [tree] if _is_former(tree) else [tree, tree / "export"]
    path = ":".join(map(str, [*code, CHECKOUT, CHECKOUT / "benchmarks"]))
    return ["env", f"PYTHONPATH={path}", sys.executable, str(Path(__file__)), str(tree), arm, *arguments]


def use_only(tree: Path) -> None:
    """Make today's names mean the code of the tree; raises EdgeUNetError if `edgeunet` comes from elsewhere."""
    found = Path(edgeunet.__file__).parents[1]
    if found.resolve() != tree.resolve():
        raise EdgeUNetError(f"edgeunet comes from {found}, expected {tree}: nothing may come before PYTHONPATH")
    if _is_former(tree):
        sys.modules["edgeunet_export"] = None  # type: ignore[assignment]  # an installed one must not fill a gap
        sys.modules.update({name: importlib.import_module(former) for name, former in FORMER.items()})


def _is_former(tree: Path) -> bool:
    """Whether the tree has the release's layout."""
    return not (tree / "export" / "edgeunet_export").is_dir()


def main() -> None:
    tree, arm = Path(sys.argv[1]), sys.argv[2]
    use_only(tree)
    importlib.import_module(f"benchmarks.studies.self_guard.{arm}").main()


if __name__ == "__main__":
    main()
