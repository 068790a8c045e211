from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.pycuda import FakeCuda


@pytest.fixture(scope="session")
def driver_on_cpu(tmp_path_factory: pytest.TempPathFactory) -> FakeCuda:
    """The fake driver with the kernels, compiled for the CPU."""
    return FakeCuda.build(tmp_path_factory.mktemp("cuda"))


@pytest.fixture(params=["pycuda", "ctypes"])
def cuda(
    request: pytest.FixtureRequest, driver_on_cpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeCuda]:
    """The fake driver, called by the fake pycuda or without one; at the end nothing may be held or have been freed in
    the wrong place."""
    driver_on_cpu.reset()
    driver_on_cpu.install(monkeypatch, pycuda=request.param == "pycuda")
    yield driver_on_cpu
    assert driver_on_cpu.held() == {}
    assert driver_on_cpu.warnings == []
