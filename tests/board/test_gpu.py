"""What stands between a machine and an engine is told apart. The driver is a small library, really loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from edgeunet.board.gpu import Gpu, find_gpu, tensorrt_module, version_of
from edgeunet.errors import GpuError, MissingDependencyError
from tests.fakes.tensorrt import FakeTensorRT

DRIVER = """
#include <stdlib.h>
#include <string.h>
static int told(const char *name) { return atoi(getenv(name)); }
int cuInit(unsigned flags) { return told("FAKE_CUDA_INIT"); }
int cuDeviceGetCount(int *count) { *count = told("FAKE_CUDA_COUNT"); return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Orin", size); return 0; }
int cuDeviceTotalMem_v2(size_t *size, int device) { *size = (7618ull << 20) + 4096; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 16 ? 4 : attribute == 18 ? 1 : -1;
    return 0;
}
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuGetErrorName(int code, const char **name) { *name = code == 999 ? 0 : "CUDA_ERROR_OF_SOME_KIND"; return 0; }
"""
Driver = Callable[..., str]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A shared library with the driver's functions."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to make a driver library with")
    path = tmp_path_factory.mktemp("driver") / "libcuda.so"
    command = [compiler, "-shared", "-fPIC", "-xc", "-", "-o", str(path)]
    subprocess.run(command, input=DRIVER, text=True, check=True)
    return str(path)


@pytest.fixture
def driver(library: str, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """The library, told what to answer."""

    def answering(*, init: int = 0, count: int = 1) -> str:
        monkeypatch.setenv("FAKE_CUDA_INIT", str(init))
        monkeypatch.setenv("FAKE_CUDA_COUNT", str(count))
        return library

    return answering


def test_a_gpu_tells_what_a_plan_depends_on(driver: Driver) -> None:
    assert find_gpu(driver()) == Gpu("Orin", "8.7", "12.6", memory_mib=7618, multiprocessors=4, integrated=True)


def test_no_driver_names_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(GpuError, match=r"no NVIDIA driver here .*nvidia-jetpack.*or run the \.onnx file"):
        find_gpu(str(tmp_path / "libcuda.so.1"))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (34, "toolkit's stub"),
        (35, "update the driver"),
        (100, "sees no GPU.*--gpus all"),
        (801, "edgeunet doctor.*--runtime nvidia.*edgeunet-camera@"),
        (999, "unknown error.*dmesg"),
    ],
)
def test_a_driver_that_fails_says_why_and_what_to_do(code: int, says: str, driver: Driver) -> None:
    with pytest.raises(GpuError, match=rf"\({code}\).*") as caught:
        find_gpu(driver(init=code))
    assert caught.match(says)


def test_a_driver_that_counts_no_gpu_sees_none(driver: Driver) -> None:
    with pytest.raises(GpuError, match="sees no GPU"):
        find_gpu(driver(count=0))


def test_missing_bindings_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingDependencyError, match="apt install python3-libnvinfer"):
        tensorrt_module("tensorrt")
    with pytest.raises(MissingDependencyError, match="wheel tensorrt_rtx"):
        tensorrt_module("tensorrt_rtx")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise ImportError('libnvinfer.so.10: cannot open shared object file')", "libnvinfer.so.10.*LD_LIBRARY_PATH"),
        ("import nothing_of_this_name", "has no nothing_of_this_name: reinstall"),
    ],
)
def test_bindings_that_do_not_load_are_not_called_missing(
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(GpuError, match=says):
        tensorrt_module("tensorrt")


@pytest.mark.parametrize("version", ["8.6.1", "8.5.2.2", "10.0.0b6", "10.2.0"])
def test_bindings_before_10_3_are_refused_with_the_reason(version: str, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text(f"__version__ = {version!r}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        patch.delitem(sys.modules, "tensorrt", raising=False)
        with pytest.raises(GpuError, match=rf"{version} is too old: .*strongly typed.*install 10\.3.*JetPack 6\.1"):
            tensorrt_module("tensorrt")
    sys.modules.pop("tensorrt", None)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("10.3.0", (10, 3, 0)),
        ("10.6.0.post2", (10, 6, 0)),
        ("10.7.0.post1", (10, 7, 0)),
        ("10.14.1.48.post1", (10, 14, 1, 48)),
        ("10.0.0b6", (10, 0, 0)),
        ("11.4.1.40rc2", (11, 4, 1, 40)),
        ("10.8.0.43+cuda12.8", (10, 8, 0, 43)),
    ],
)
def test_a_version_ends_where_its_numbers_end(version: str, numbers: tuple[int, ...]) -> None:
    module = ModuleType("tensorrt")
    module.__dict__["__version__"] = version
    assert version_of(module) == numbers


def test_bindings_that_fit_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, numbers in (("10.3", (10, 3, 0)), ("10.16", (10, 16, 0)), ("11.4", (11, 4, 0))):
        module = FakeTensorRT(version).module
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        assert tensorrt_module("tensorrt") is module
        assert version_of(module) == numbers
    rtx = FakeTensorRT("1.7", "tensorrt_rtx").module
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", rtx)
    assert tensorrt_module("tensorrt_rtx") is rtx
