"""The sampler on made systems, with its real process; what the system does is rewritten between two of its samples."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from edgeunet.board.sensors.sysfs import sensors
from edgeunet.board.sensors.telemetry import Sampler
from edgeunet.errors import UsageError
from edgeunet.latency.record import Telemetry
from tests.board.sensor_trees import AGX_ORIN, GARBAGE, ORIN_NANO, PC, PID, THOR, VM, Tree, write_tree

ENOUGH_S = 20.0  # for a busy machine; nothing waits this long


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; the test fails if it does not come to that."""
    end = time.monotonic() + ENOUGH_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.005)


def seen(sampler: Sampler) -> Telemetry:
    told = sampler.telemetry(0)
    assert told is not None
    return told


def rows(sampler: Sampler) -> int:
    told = sampler.telemetry(0)
    return 0 if told is None else len(told.times_ms)


def wait_for_rows(sampler: Sampler, more: int) -> None:
    """Wait for so many further samples."""
    before = rows(sampler)
    wait_for(lambda: rows(sampler) >= before + more)


def sample(root: Path, tree: Tree, count: int = 3) -> Telemetry:
    with Sampler(write_tree(root, tree), hz=200, pid=PID) as sampler:
        wait_for_rows(sampler, count)
    return seen(sampler)


def test_an_orin_nano_tells_clocks_temperatures_power_and_load(tmp_path: Path) -> None:
    told = sample(tmp_path, ORIN_NANO)
    last = {name: values[-1] for name, values in told.values.items()}
    assert last == {
        "cpu0_mhz": 729.6,
        "cpu4_mhz": 1510.4,
        "gpu_mhz": 306,
        "gpu_busy_percent": 26,
        "cpu_c": pytest.approx(46.031),
        "tj_c": pytest.approx(46.406),
        "soc1_c": 44.375,
        "VDD_IN_mw": 4968,
        "VDD_CPU_GPU_CV_mw": pytest.approx(924.048),
        "VDD_SOC_mw": pytest.approx(1500.336),
        "throttled": 0,
        "process_mb": pytest.approx(438 * os.sysconf("SC_PAGE_SIZE") / 2**20),
    }
    assert told.rails == ("VDD_IN_mw",)
    assert not told.throttled


@pytest.mark.parametrize(
    ("tree", "rails", "milliwatts"),
    [
        (AGX_ORIN, ("VDD_GPU_SOC_mw", "VDD_CPU_CV_mw", "VIN_SYS_5V0_mw"), 843 * 3.737 + 780 * 18.349 + 4968),
        (THOR, ("VIN_mw",), 87426),
        (
            {name: text for name, text in THOR.items() if "hwmon4" not in name},
            ("VDD_GPU_mw", "VDD_CPU_SOC_MSS_mw", "VIN_SYS_5V0_mw"),
            12040 * (3.117 + 1.575) + 5088 * 3.603,
        ),
        (VM, (), 0),
    ],
)
def test_energy_counts_no_rail_twice(tree: Tree, rails: tuple[str, ...], milliwatts: float, tmp_path: Path) -> None:
    told = sample(tmp_path, tree)
    assert told.rails == rails
    assert not [name for name in told.values if "NC" in name or "shunt" in name]
    assert sum(told.values[rail][-1] for rail in rails) == pytest.approx(milliwatts)


def test_a_held_down_clock_is_throttling_and_a_fan_is_not(tmp_path: Path) -> None:
    assert sample(tmp_path / "agx", AGX_ORIN).values["throttled"][-1] == 2
    fan = {name: text for name, text in AGX_ORIN.items() if "cooling_device1" not in name and "device2" not in name}
    assert not sample(tmp_path / "fan", fan).throttled


def test_counters_count_from_the_start_of_sampling(tmp_path: Path) -> None:
    counters = {
        "sys/class/hwmon/hwmon3/oc3_event_cnt": (ORIN_NANO, "38", 1),
        "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": (PC, "99", 0),  # cpu0's: the same core
        "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": (PC, "45", 5),
    }
    for number, (name, (tree, after, grown)) in enumerate(counters.items()):
        root = write_tree(tmp_path / str(number), tree)
        with Sampler(root, hz=200, pid=PID) as sampler:
            wait_for_rows(sampler, 2)
            replace(root / name, after)
            wait_for_rows(sampler, 3)
        assert seen(sampler).values["throttled"].sum() == grown


def test_power_of_a_pc_is_the_growth_of_its_energy_counters(tmp_path: Path) -> None:
    root = write_tree(tmp_path, PC)
    counter = root / "sys/class/powercap/intel-rapl:0/energy_uj"
    with Sampler(root, hz=50, pid=PID) as sampler:
        assert sampler.rails == ("dram_mw", "package_0_mw")
        wait_for_rows(sampler, 2)
        replace(counter, "7000000")
        wait_for_rows(sampler, 2)
        replace(counter, "1000000")  # it wrapped
        wait_for_rows(sampler, 2)
    told = seen(sampler)
    assert np.isnan(told.values["package_0_mw"][0])
    joules = told.values["package_0_mw"][1:] * np.diff(told.times_ms) / 1e6
    assert sorted(joules)[-2:] == pytest.approx([2.0, 262143.32885 - 6.0], rel=0.2)
    assert "core_mw" in told.values


def test_idle_power_is_the_mean_of_what_was_sampled_while_idle(tmp_path: Path) -> None:
    root = write_tree(tmp_path, ORIN_NANO)
    with Sampler(root, hz=200, pid=PID) as sampler:
        begin = time.perf_counter_ns()
        wait_for_rows(sampler, 3)
        end = time.perf_counter_ns()
        replace(root / "sys/class/hwmon/hwmon1/curr1_input", "2000")
        wait_for(lambda: seen(sampler).values["VDD_IN_mw"][-1] == 9936)
    told = sampler.telemetry(end, (begin, end))
    assert told is not None
    assert told.idle_mw == 4968
    assert told.times_ms[0] < 0 < told.times_ms[-1]
    assert seen(sampler).idle_mw is None


def test_a_sensor_that_vanishes_or_talks_garbage_is_nan_from_then_on(tmp_path: Path) -> None:
    root = write_tree(tmp_path, ORIN_NANO)
    with Sampler(root, hz=200, pid=PID) as sampler:
        wait_for_rows(sampler, 2)
        (root / "sys/class/thermal/thermal_zone0/temp").unlink()
        replace(root / "sys/class/hwmon/hwmon1/curr1_input", "much\n")
        replace(root / "proc/stat", "")
        wait_for(lambda: all(np.isnan(seen(sampler).values[name][-1]) for name in ("cpu_c", "VDD_IN_mw")))
    told = seen(sampler)
    assert told.values["cpu_c"][0] == pytest.approx(46.031)
    assert np.isfinite(told.values["tj_c"]).all()
    assert told.rails == ("VDD_IN_mw",)


@pytest.mark.parametrize("tree", [AGX_ORIN, ORIN_NANO, THOR, PC, VM])
def test_garbage_in_any_file_is_no_value_and_no_crash(tree: Tree, tmp_path: Path) -> None:
    """Every file in turn, names too, is garbage when the sensors are found, and other garbage when they are read."""
    rng = np.random.default_rng(0)
    root = write_tree(tmp_path, tree)
    for name, text in tree.items():
        (root / name).write_text(GARBAGE[rng.integers(len(GARBAGE))])
        found = sensors(root, PID)
        (root / name).write_text(GARBAGE[rng.integers(len(GARBAGE))])
        for sensor in [*found, *found]:
            with suppress(OSError, ValueError):
                assert np.isfinite(sensor.read())
        (root / name).write_text(text)


def test_a_system_that_offers_nothing_gives_nothing(tmp_path: Path) -> None:
    with Sampler(tmp_path, hz=200) as sampler:
        pass
    assert sampler.telemetry(0) is None
    assert sampler.rails == ()


def test_a_process_that_is_killed_keeps_what_it_saw(tmp_path: Path) -> None:
    with Sampler(write_tree(tmp_path, ORIN_NANO), hz=200, pid=PID) as sampler:
        wait_for_rows(sampler, 2)
        assert sampler._process is not None
        os.kill(sampler._process.pid, signal.SIGKILL)
    assert rows(sampler) >= 2


def test_a_process_that_does_not_start_is_no_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with Sampler(write_tree(tmp_path, ORIN_NANO)) as sampler:
        pass
    assert sampler.telemetry(0) is None


def test_a_sensor_that_hangs_does_not_hold_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeunet.board.sensors.telemetry.STOP_S", 0.05)
    root = write_tree(tmp_path, ORIN_NANO)
    with Sampler(root, hz=200, pid=PID) as sampler:
        wait_for_rows(sampler, 2)
        stuck = root / "sys/class/thermal/thermal_zone0/temp"
        stuck.unlink()
        os.mkfifo(stuck)  # opening it waits for a writer: a stand-in for a sensor on a stuck bus
        count = -1
        while count != (count := rows(sampler)):
            time.sleep(0.1)
    assert rows(sampler) >= 2


def test_this_machine_is_sampled_at_its_rate_and_its_cost_is_told() -> None:
    with Sampler(hz=20) as sampler:
        before = rows(sampler)
        while rows(sampler) < before + 10:
            sum(range(100_000))  # not a wait: a machine that does nothing is 0 % busy
    told = seen(sampler)
    resident_mb = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert told.values["process_mb"][-1] == pytest.approx(resident_mb, rel=0.2)
    assert 0 < told.cost < 1
    assert np.nanmax(told.values["cpu_busy_percent"]) > 0
    assert (np.diff(told.times_ms) > 0).all()


def test_the_sampler_ends_with_a_measurement_that_is_killed() -> None:
    program = (
        "import os, signal, sys\n"
        "from edgeunet.board.sensors.telemetry import Sampler\n"
        "with Sampler() as sampler:\n"
        "    print(sampler._process.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    wait_for(lambda: not is_running(int(result.stdout)))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_is_not_for_the_sampler(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, pathlib\n"
        "from edgeunet.board.sensors.telemetry import Sampler\n"
        f"with Sampler(pathlib.Path({str(tmp_path)!r}), hz=200, pid={PID}) as sampler:\n"
        "    try:\n"
        "        os.killpg(0, signal.SIGINT)\n"
        "        signal.pause()\n"
        "    except KeyboardInterrupt: pass\n"
        "    before = len(sampler.telemetry(0).times_ms) if sampler.telemetry(0) else 0\n"
        "    while not (told := sampler.telemetry(0)) or len(told.times_ms) < before + 3: pass\n"
        "print('sampled on')\n"
    )
    write_tree(tmp_path, ORIN_NANO)
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, start_new_session=True, check=True)
    assert result.stdout == "sampled on\n"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU: there is no other to go to")
def test_a_measurement_that_is_bound_to_a_cpu_has_it_for_itself() -> None:
    program = (
        "import os\n"
        "from edgeunet.board.sensors.telemetry import Sampler\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "with Sampler() as sampler:\n"
        "    print(os.sched_getaffinity(0) & os.sched_getaffinity(sampler._process.pid))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "set()\n"


def test_the_rate_is_checked() -> None:
    with pytest.raises(UsageError, match="up to 1000 times per second, got 0"):
        Sampler(hz=0)


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees it whole."""
    (path.parent / "new").write_text(text)
    (path.parent / "new").replace(path)
