"""What needs an NVIDIA GPU; `make test-gpu` runs it, and skips, saying why, where something is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from edgeunet.board.gpu import find_gpu
from edgeunet.errors import GpuError
from edgeunet.utils.dependencies import missing

FOLDER = Path(__file__).parent


def lacking() -> str:
    """What this machine lacks for any of these tests; "" if nothing."""
    try:
        find_gpu()
    except GpuError as error:
        return str(error)
    return "" if find_spec("pycuda") else str(missing("pycuda"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = lacking()
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))
