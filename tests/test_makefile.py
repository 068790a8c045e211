"""Which Python `make test-gpu` takes; python3 is a stand-in that writes down what it is asked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CALLED = "-m pytest tests/gpu"
PYTHON3 = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    *--collect-only*) exit "$LACKS";;
    "-m venv"*) exit 7;;
    *"import gpu"*) exit 1;;
esac
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
@pytest.mark.parametrize("lacks", [False, True])
def test_a_machine_with_its_own_packages_needs_no_network(lacks: bool, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3"
    python.write_text(PYTHON3)
    python.chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "CALLS": str(calls), "LACKS": str(int(lacks))}
    ran = subprocess.run(
        ["make", "test-gpu"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    asked = calls.read_text().splitlines()
    if lacks:
        assert ran.returncode == 2
        assert "-m venv .venv" in asked
        assert CALLED not in asked
    else:
        assert ran.returncode == 0, ran.stderr
        assert f"{python} has what the tests import" in ran.stdout
        assert CALLED in asked
        assert not (tmp_path / ".venv").exists()
        assert "no benchmark on this machine" in ran.stdout, "the stand-in has no GPU"
