"""tegrastats: lines that users posted, lines that nobody posted, and programs that stand in for the tool."""

from __future__ import annotations

import math
import string
import time
from pathlib import Path

import numpy as np
import pytest

from edgeunet.board.sensors.tegrastats import Tegrastats, parse
from edgeunet.board.sensors.telemetry import Sampler
from tests.board.sensor_trees import ORIN_NANO, PID, VM, write_tree
from tests.board.sensors.test_telemetry import rows, seen, wait_for, wait_for_rows

AGX_JETPACK_5 = (
    "11-21-2025 08:49:48 RAM 13983/62780MB (lfb 424x4MB) SWAP 126/31390MB (cached 0MB) CPU [90%@2201,off,100%@2201] "
    "EMC_FREQ 1%@2133 GR3D_FREQ 14%@[407,407] VIC_FREQ 115 NVDLA0_FREQ @1600 APE 174 CV0@73.625C CPU@77.281C "
    "GPU@69.125C tj@77.281C VDD_GPU_SOC 3150mW/2971mW VDD_CPU_CV 14312mW/12415mW VIN_SYS_5V0 4968mW/5048mW "
    "VDDQ_VDD2_1V8AO 1091mW/1091mW"
)
LINES = {
    AGX_JETPACK_5: {
        "cpu0_mhz": 2201,
        "cpu2_mhz": 2201,
        "emc_busy_percent": 1,
        "emc_mhz": 2133,
        "gpu_busy_percent": 14,
        "gpu_mhz": 407,
        "cv0_c": 73.625,
        "cpu_c": 77.281,
        "gpu_c": 69.125,
        "tj_c": 77.281,
        "VDD_GPU_SOC_mw": 3150,
        "VDD_CPU_CV_mw": 14312,
        "VIN_SYS_5V0_mw": 4968,
        "VDDQ_VDD2_1V8AO_mw": 1091,
    },
    "05-09-2026 18:42:06 RAM 18207/62841MB (lfb 466x4MB) SWAP 86/31420MB (cached 0MB) CPU [1%@729,0%@729] EMC_FREQ "
    "3%@2133 GR3D_FREQ 0%@[0,0] cpu@52.562C tj@52.562C soc1@49.656C VDD_GPU_SOC 2412mW/2412mW VDD_CPU_CV "
    "1607mW/1607mW VIN_SYS_5V0 4707mW/4707mW": {
        "cpu0_mhz": 729,
        "cpu1_mhz": 729,
        "emc_busy_percent": 3,
        "emc_mhz": 2133,
        "gpu_busy_percent": 0,
        "gpu_mhz": 0,
        "cpu_c": 52.562,
        "tj_c": 52.562,
        "soc1_c": 49.656,
        "VDD_GPU_SOC_mw": 2412,
        "VDD_CPU_CV_mw": 1607,
        "VIN_SYS_5V0_mw": 4707,
    },
    "RAM 1/2MB (lfb 7x512kB) GR3D_FREQ 26%@[306] gpu@46.03C tj@46.41C VDD_IN 4900mW/5000mW VDD_SOC 1500mW/1600mW": {
        "gpu_busy_percent": 26,
        "gpu_mhz": 306,
        "gpu_c": 46.03,
        "tj_c": 46.41,
        "VDD_IN_mw": 4900,
        "VDD_SOC_mw": 1500,
    },
    "07-25-2026 09:08:28 GR3D_FREQ 12%@[1300,1300] cpu@52.968C/52.968C VDD_GPU_SOC 5139mW/5139mW/5139mW": {
        "gpu_busy_percent": 12,
        "gpu_mhz": 1300,
        "cpu_c": 52.968,
        "VDD_GPU_SOC_mw": 5139,
    },
    "gpu@62.906C soc345@63.281C VDD_GPU 37528mW/37528mW/37528mW VIN 87426mW/43713mW/87426mW": {
        "gpu_c": 62.906,
        "soc345_c": 63.281,
        "VDD_GPU_mw": 37528,
        "VIN_mw": 87426,
    },
    "GR3D_FREQ @[314,314,314] VDD_GPU -392mW/0mW/12mW": {"gpu_mhz": 314, "VDD_GPU_mw": -392},
    "RAM 1/2MB GR3D_FREQ 5% EMC_FREQ 0% EMC_FREQ @204 GPU@-256C VDD_IN 77mW": {
        "gpu_busy_percent": 5,
        "emc_busy_percent": 0,
        "VDD_IN_mw": 77,
    },
    "GR3D_FREQ 5%@114 EMC_FREQ @204 VDD_5V 100/200 TEMP 5": {"gpu_busy_percent": 5, "gpu_mhz": 114, "emc_mhz": 204},
    f"VDD_IN {'9' * 400}mW tj@{'9' * 400}C": {},
    "jtop needs root": {},
    "": {},
}


@pytest.mark.parametrize("line", LINES)
def test_every_known_form_is_read(line: str) -> None:
    assert parse(line) == LINES[line]


def test_no_line_crashes_the_parser_or_gives_what_is_no_number() -> None:
    """A thousand lines cut, doubled, shuffled and with characters changed."""
    rng = np.random.default_rng(0)
    characters = list(string.printable + "°9999999²٣")
    for _ in range(1000):
        words = rng.permutation(list(LINES)[rng.integers(len(LINES))].split(" ")).tolist()
        line = list(" ".join(words * rng.integers(1, 3))[: rng.integers(1, 600)])
        for place in rng.integers(max(1, len(line)), size=rng.integers(20)):
            line[place : place + 1] = characters[rng.integers(len(characters))]
        values = parse("".join(line))
        assert all(math.isfinite(value) for value in values.values())
        assert all(name.endswith(("_mhz", "_percent", "_c", "_mw")) for name in values)


def test_what_is_known_is_read_among_what_is_not() -> None:
    """Fields that nobody has seen, put anywhere between the others, change nothing."""
    rng = np.random.default_rng(1)
    characters = list(string.ascii_uppercase + string.digits + "_%/@[],.()")
    for _ in range(200):
        known = ["GR3D_FREQ 14%@[407,407]", "tj@77.281C", "VDD_IN 4900mW/5000mW"]
        strange = ["X" + "".join(rng.choice(characters, 20)), "NVDLA0_FREQ @1600", "PVA0_FREQ off", "MTS fg 0% bg 1%"]
        read = parse(" ".join(rng.permutation([*known, *strange])))
        assert {"gpu_busy_percent": 14, "gpu_mhz": 407, "tj_c": 77.281, "VDD_IN_mw": 4900}.items() <= read.items()


def stand_in(root: Path, script: str) -> Path:
    """A made program in the tool's place: a shell script."""
    path = root / "usr/bin/tegrastats"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return root


FOREVER = "while :; do echo 'GR3D_FREQ 14%@[407] CPU [90%@2201] VDD_IN 4900mW/5000mW tj@50.5C'; sleep 0.01; done"


def test_where_files_tell_no_power_the_tool_is_asked(tmp_path: Path) -> None:
    root = stand_in(write_tree(tmp_path, VM), FOREVER)
    with Sampler(root, hz=50, pid=PID) as sampler:
        wait_for_rows(sampler, 5)
    told = seen(sampler)
    last = {name: values[-1] for name, values in told.values.items()}
    assert last == {
        "gpu_busy_percent": 14,
        "gpu_mhz": 407,
        "cpu0_mhz": 2201,
        "tj_c": 50.5,
        "VDD_IN_mw": 4900,
        "process_mb": last["process_mb"],
    }
    assert told.rails == ("VDD_IN_mw",)


def test_where_files_tell_all_the_tool_is_not_started(tmp_path: Path) -> None:
    root = stand_in(write_tree(tmp_path, ORIN_NANO), f"touch {tmp_path}/started; {FOREVER}")
    with Sampler(root, hz=50, pid=PID) as sampler:
        wait_for_rows(sampler, 3)
    assert not (tmp_path / "started").exists()


def test_files_go_before_the_tool(tmp_path: Path) -> None:
    clock = {"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "1000000\n"}
    root = stand_in(write_tree(tmp_path, VM | clock), FOREVER.replace("[90%@2201]", "[90%@2201,90%@2201]"))
    with Sampler(root, hz=50, pid=PID) as sampler:
        wait_for_rows(sampler, 3)
    values = seen(sampler).values
    assert values["cpu0_mhz"][-1] == 1000
    assert "cpu1_mhz" not in values  # it has the clock of the first, which the file names


@pytest.mark.parametrize(
    "script",
    ["exec sleep 60", "exit 1", "echo something new; exec sleep 60", "exec yes new", "printf GR3D"],
)
def test_a_tool_that_hangs_dies_or_speaks_otherwise_tells_nothing(script: str, tmp_path: Path) -> None:
    root = stand_in(write_tree(tmp_path, VM), script)
    with Sampler(root, hz=50, pid=PID) as sampler:
        wait_for_rows(sampler, 2)
    assert set(seen(sampler).values) <= {"process_mb", "cpu_busy_percent"}


def test_a_tool_that_stops_talking_is_nan_from_then_on(tmp_path: Path) -> None:
    root = stand_in(write_tree(tmp_path, VM), "echo 'VDD_IN 4900mW/5000mW'; exec sleep 60")
    with Sampler(root, hz=100, pid=PID) as sampler:
        wait_for(lambda: rows(sampler) > 0 and math.isnan(seen(sampler).values["VDD_IN_mw"][-1]))
    assert seen(sampler).values["VDD_IN_mw"][0] == 4900


def test_the_tools_cpu_time_is_counted_and_it_is_ended(tmp_path: Path) -> None:
    root = stand_in(tmp_path, "while :; do echo 'VDD_IN 1mW'; done")
    tool = Tegrastats(root, 0.1)
    assert tool.first(10.0) == {"VDD_IN_mw": 1}
    wait_for(lambda: bool(tool.latest()) and tool.cpu_seconds() > 0.05)
    tool.close()
    assert tool.cpu_seconds() > 0.05
    assert tool._process is not None
    assert tool._process.returncode is not None


@pytest.mark.parametrize("script", [None, "exit 1"])
def test_nobody_waits_for_a_tool_that_is_not_there_or_gone(script: str | None, tmp_path: Path) -> None:
    begin = time.monotonic()
    tool = Tegrastats(tmp_path if script is None else stand_in(tmp_path, script), 0.1)
    assert tool.first(60.0) == {}
    assert time.monotonic() - begin < 30
    tool.close()
