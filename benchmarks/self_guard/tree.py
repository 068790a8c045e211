"""Which tree an arm of the self-guard runs: said on its command line, and checked.

The arms' scripts are the working tree's, and import of `edgeunet` and `export` only what both commits have.
"""

from __future__ import annotations

import sys
from pathlib import Path

import edgeunet
from edgeunet.errors import EdgeUNetError

CHECKOUT = Path(__file__).parents[2]


def argv(script: str, tree: Path, *arguments: str) -> list[str]:
    """The command that runs a script of this folder on the code in `tree`.

    A script by its path, not a module by its name: Python would look for that in the current folder first.
    """
    path = f"PYTHONPATH={tree}:{CHECKOUT}"
    return ["env", path, sys.executable, str(Path(__file__).with_name(script)), str(tree), *arguments]


def require_tree() -> None:
    """Raise EdgeUNetError unless the code that runs is that of the tree in the first argument."""
    runs = Path(edgeunet.__file__).parents[1]
    if runs.resolve() != Path(sys.argv[1]).resolve():
        raise EdgeUNetError(f"edgeunet comes from {runs}, expected {sys.argv[1]}: nothing may come before PYTHONPATH")
