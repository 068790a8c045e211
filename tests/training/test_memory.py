from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from edgeunet.training.hardware import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
for round in range(6):  # the first ones find their places
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    x = torch.ones(64 << 18)
    y = 2 * x
    del x, y
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc maps large blocks afresh")
def test_pages_that_were_freed_are_not_cleared_again() -> None:
    def faults(how: str) -> int:
        ran = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        return int(ran.stdout)

    assert faults("kept") < 100 < faults("mapped")
