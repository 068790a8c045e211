"""For every test: one thread in PyTorch. The networks are tiny, and more threads only wait for each other."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
