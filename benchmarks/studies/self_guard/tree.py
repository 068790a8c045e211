"""Runs an arm of the self-guard on the code of a tree: `tree.py TREE ARM ARGUMENT…`.

The arms are the working tree's files, and import of `edgeunet` and `edgeunet_export` only what both commits have.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import edgeunet
import edgeunet_export
from edgeunet.errors import EdgeUNetError

CHECKOUT = Path(__file__).parents[3]


def argv(arm: str, tree: Path, *arguments: str) -> list[str]:
    """The command that runs an arm of this folder on the code in `tree`.

    A script by its path, not a module by its name: Python would look for that in the current folder first.
    """
    path = ":".join(map(str, [tree, tree / "export", CHECKOUT, CHECKOUT / "benchmarks"]))
    return ["env", f"PYTHONPATH={path}", sys.executable, str(Path(__file__)), str(tree), arm, *arguments]


def use_only(tree: Path) -> None:
    """Raise EdgeUNetError if `edgeunet` or `edgeunet_export` comes from elsewhere than the tree."""
    for package in (edgeunet, edgeunet_export):
        found = Path(package.__file__ or "")
        if tree.resolve() not in found.resolve().parents:
            raise EdgeUNetError(
                f"{package.__name__} comes from {found}, expected it in {tree}: nothing may come before PYTHONPATH"
            )


def main() -> None:
    tree, arm = Path(sys.argv[1]), sys.argv[2]
    use_only(tree)
    importlib.import_module(f"benchmarks.studies.self_guard.{arm}").main()


if __name__ == "__main__":
    main()
