"""For every test: the command line, a terminal, Ctrl-C, and an end to all processes that a test started."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's threads would wait for each other with tiny networks

from hypothesis import settings

from tests.browser import browser
from tests.commands import run
from tests.processes import hear_ctrl_c, no_process_is_left

__all__ = ["browser", "no_process_is_left", "run"]  # fixtures

os.environ["COLUMNS"] = "80"
for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):  # with them help and tables have colours in a file, too
    os.environ.pop(name, None)
hear_ctrl_c()
# A busy machine is slow, which is no fault; and no folder of examples beside the sources, which may be read-only.
settings.register_profile("edgeunet", deadline=None, database=None)
settings.load_profile("edgeunet")
