"""For every test: the command line; and one thread in PyTorch, more would wait for each other with tiny networks."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.commands import run  # a fixture

__all__ = ["run"]
