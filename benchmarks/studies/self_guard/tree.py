"""Runs an arm of the self-guard on the code of a tree: `tree.py TREE ARM ARGUMENT…`.

The arms are the working tree's files, and import of `edgeunet` and `edgeunet_export` only what both commits have. What
the release has under another name is found under today's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import edgeunet
from edgeunet.errors import EdgeUNetError

CHECKOUT = Path(__file__).parents[3]
FORMER = {  # today's name of a module: that of the release
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
    path = f"PYTHONPATH={tree}:{tree / 'export'}:{CHECKOUT}:{CHECKOUT / 'benchmarks'}"
    return ["env", path, sys.executable, str(Path(__file__)), str(tree), arm, *arguments]


def require_tree(tree: Path) -> None:
    """Raise EdgeUNetError unless the code that runs is that of the tree."""
    runs = Path(edgeunet.__file__).parents[1]
    if runs.resolve() != tree.resolve():
        raise EdgeUNetError(f"edgeunet comes from {runs}, expected {tree}: nothing may come before PYTHONPATH")


def main() -> None:
    tree, arm = Path(sys.argv[1]), sys.argv[2]
    require_tree(tree)
    if not (tree / "export" / "edgeunet_export").is_dir():
        sys.modules.update({name: importlib.import_module(former) for name, former in FORMER.items()})
    importlib.import_module(f"benchmarks.studies.self_guard.{arm}").main()


if __name__ == "__main__":
    main()
