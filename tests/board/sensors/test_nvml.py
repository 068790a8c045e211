"""NVML's sensors on a small library with its functions, really loaded; not on a GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgeunet.board.sensors.nvml import gpus
from edgeunet.board.sensors.power_rails import whole
from edgeunet.board.sensors.sysfs import sensors
from edgeunet.board.sensors.telemetry import Sampler
from tests.board.sensors.test_telemetry import seen, wait_for_rows

NVML = """
#include <stdlib.h>
typedef struct { unsigned gpu, memory; } Utilization;
static char cards[2];
int nvmlInit_v2(void) { return getenv("FAKE_NVML") ? 0 : 9; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = cards + index; return 0; }
int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) {
    *mhz = type == 0 ? 1980 : type == 2 ? 2619 : 0;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *device, Utilization *now) { now->gpu = 37; now->memory = 5; return 0; }
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) { *celsius = 41 + sensor; return 0; }
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    *milliwatts = 118250;
    return device == cards ? 0 : 3;
}
"""
FIRST = {"gpu_mhz": 1980.0, "gpu_memory_mhz": 2619.0, "gpu_busy_percent": 37.0, "gpu_c": 41.0, "gpu_mw": 118250.0}
SECOND = {"gpu_2_mhz": 1980.0, "gpu_memory_2_mhz": 2619.0, "gpu_busy_2_percent": 37.0, "gpu_2_c": 41.0}


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a system with two GPUs, the second without a power sensor; the library's folder is its `lib`."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to make a library with")
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-xc", "-", "-o", str(library)], input=NVML, text=True, check=True)
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    monkeypatch.setenv("FAKE_NVML", "1")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))  # for the sampler's process
    return tmp_path


def test_each_card_reports_what_it_has(card: Path) -> None:
    library = str(card / "lib" / "libnvidia-ml.so.1")
    assert [(quantity, unit, read()) for quantity, unit, read in gpus(library)] == [
        ("gpu", "mhz", 1980.0),
        ("gpu_memory", "mhz", 2619.0),
        ("gpu_busy", "percent", 37.0),
        ("gpu", "c", 41.0),
        ("gpu", "mw", 118250.0),
        ("gpu", "mhz", 1980.0),
        ("gpu_memory", "mhz", 2619.0),
        ("gpu_busy", "percent", 37.0),
        ("gpu", "c", 41.0),
    ]


def test_they_are_in_the_telemetry(card: Path) -> None:
    with Sampler(card, hz=200) as sampler:
        wait_for_rows(sampler, 2)
    values = {name: column[-1] for name, column in seen(sampler).values.items()}
    assert values == FIRST | SECOND


def test_without_library_driver_or_card_there_are_none(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(gpus(str(card / "none.so"))) == []
    monkeypatch.delenv("FAKE_NVML")
    assert list(gpus(str(card / "lib" / "libnvidia-ml.so.1"))) == []
    (card / "proc/driver/nvidia/gpus/0000:01:00.0").rmdir()
    assert sensors(card, 1) == []


def test_a_card_adds_to_the_power_of_the_processors_and_is_not_the_whole_alone() -> None:
    assert whole(["package_0_mw", "core_mw", "gpu_mw", "gpu_2_mw"]) == ("package_0_mw", "gpu_2_mw", "gpu_mw")
    assert whole(["gpu_mw"]) == ()
