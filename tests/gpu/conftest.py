"""What needs an NVIDIA GPU; `make test-gpu` runs it, and skips, saying why, where something is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edgeunet.board.gpu import find_gpu
from edgeunet.errors import GpuError

FOLDER = Path(__file__).parent


def missing() -> str:
    """What this machine lacks for any of these tests; "" if nothing."""
    try:
        find_gpu()
    except GpuError as error:
        return str(error)
    return "" if importlib.util.find_spec("pycuda") else "pycuda is not installed: pip install pycuda"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing()
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))
