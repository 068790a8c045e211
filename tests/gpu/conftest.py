"""What needs an NVIDIA GPU; `make test-gpu` runs it, and skips, saying why, where something is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from edgeunet.board.gpu import Provider, find_gpu, tensorrt_module
from edgeunet.errors import EdgeUNetError, GpuError

FOLDER = Path(__file__).parent
PROVIDERS: tuple[Provider, ...] = get_args(Provider)


def lacking() -> str:
    """What this machine lacks for any of these tests; "" if nothing."""
    try:
        find_gpu()
    except GpuError as error:
        return str(error)
    return ""


@pytest.fixture(params=["pycuda", "ctypes"], scope="module")
def cuda_provider(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of a module with pycuda, where it is there, and with what stands in for it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "ctypes":
            patch.setitem(sys.modules, "pycuda", None)
        elif not find_spec("pycuda"):
            pytest.skip("there is no pycuda here")
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = lacking()
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def lacking_bindings(provider: Provider) -> str:
    """Why there is no TensorRT of this kind; "" if there is."""
    try:
        tensorrt_module(provider)
    except EdgeUNetError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def _some_bindings() -> None:
    """For what takes long and is for engines alone: skips first."""
    reasons = [lacking_bindings(provider) for provider in PROVIDERS]
    if all(reasons):
        pytest.skip("; ".join(reasons))


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    name: Provider = request.param
    if reason := lacking_bindings(name):
        pytest.skip(reason)
    return name
