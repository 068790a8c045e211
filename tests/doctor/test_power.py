"""Power mode, clocks, temperature, throttling and tegrastats, as sysfs and a real program on a made board tell them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeunet.doctor import Check, Host
from edgeunet.doctor.power import check_power
from tests.doctor.systems import SYSTEMS, System

NANO, AGX = SYSTEMS["Orin Nano, JetPack 6"], SYSTEMS["AGX Orin, JetPack 6"]
LINE = "RAM 1/2MB CPU [1%@729,off] GR3D_FREQ 26%@[306] gpu@46.03C tj@46.41C VDD_IN 4900mW/5000mW"


def look(system: System, root: Path) -> dict[str, Check]:
    return {f.part: f for f in check_power(system.host(root))}


def with_tegrastats(root: Path, script: str) -> None:
    program = root / "usr/bin/tegrastats"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_clocks_temperature_and_rails_are_told(tmp_path: Path) -> None:
    gpu = "sys/class/devfreq/17000000.gpu"
    found = look(NANO.but({f"{gpu}/min_freq": "306000000\n", f"{gpu}/max_freq": "1020000000\n"}), tmp_path)
    assert found["clocks"].found == "CPU 730 MHz, GPU 306 of 306-1020 MHz"
    assert found["temperature"].found == "46 °C (tj), the hottest of 3"
    assert found["throttling"] == Check("ok", "throttling", "none now")
    assert found["power"].found.startswith("VDD_IN 4968 mW, VDD_CPU_GPU_CV 924 mW")


@pytest.mark.parametrize(
    ("status", "state", "says"),
    [
        ("pmode:0002\n", "ok", "MAXN"),
        ("pmode:0003\n", "warning", "7W, the slowest of this board"),
        ("pmode:0000\n", "ok", "15W"),
        ("pmode:0009\n", "warning", "number 9, which /etc/nvpmodel.conf does not name"),
        ("", "warning", "unknown: nvpmodel has not set a mode"),
    ],
)
def test_the_power_mode_is_told_by_name(status: str, state: str, says: str, tmp_path: Path) -> None:
    found = look(NANO.but({"var/lib/nvpmodel/status": status}), tmp_path)["power mode"]
    assert (found.state, found.found) == (state, says)
    assert ("nvpmodel" in found.remedy) == (state == "warning")


@pytest.mark.parametrize(
    ("modes", "slow"),
    [
        (("MAXN", "MODE_15W", "MODE_30W", "MODE_50W"), "MODE_15W"),  # AGX Orin
        (("MAXN", "120W", "90W", "70W"), "70W"),  # Thor
        (("10W", "7W_AI"), "7W_AI"),  # Orin Nano with 4 GB
        (("10W",), ""),
    ],
)
def test_which_power_mode_is_slow_depends_on_the_board(modes: tuple[str, ...], slow: str, tmp_path: Path) -> None:
    conf = "".join(f"< POWER_MODEL ID={number} NAME={name} >\n" for number, name in enumerate(modes))
    for number, name in enumerate(modes):
        files = {"etc/nvpmodel.conf": conf, "var/lib/nvpmodel/status": f"pmode:{number:04}\n"}
        assert look(NANO.but(files), tmp_path)["power mode"].state == ("warning" if name == slow else "ok")


def test_a_board_without_the_gpus_load_says_so(tmp_path: Path) -> None:
    assert "the GPU's load is not in /sys" in look(SYSTEMS["AGX Thor, JetPack 7"], tmp_path)["clocks"].found


def test_a_governor_that_saves_power_is_a_warning(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    files = {cpu: "powersave\n", "proc/thread-self/status": "Cpus_allowed_list:\t0\n"}
    found = look(NANO.but(files), tmp_path)["clocks"]
    assert (found.state, found.found.rpartition(", ")[2]) == ("warning", "governor powersave")


def test_a_board_that_throttles_is_a_warning(tmp_path: Path) -> None:
    found = look(AGX, tmp_path)["throttling"]
    assert (found.state, found.found) == ("warning", "clocks are lowered now")
    assert "a lower power mode" in found.remedy


def test_heat_is_a_warning(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0/temp"
    found = look(NANO.but({zone: "93000\n"}), tmp_path)["temperature"]
    assert (found.state, found.found) == ("warning", "93 °C (cpu), the hottest of 3")


def test_sensors_that_vanish_while_they_are_read_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = NANO.host(tmp_path)
    listed = check_power.__globals__["sensors"]

    def then_gone(root: Path, pid: int) -> object:
        found = listed(root, pid)
        for path in (root / "sys/class/thermal").glob("*/temp"):
            path.unlink()
        (root / "sys/class/hwmon/hwmon1/in1_input").write_text("garbage")
        return found

    monkeypatch.setattr("edgeunet.doctor.power.sensors", then_gone)
    found = {f.part: f for f in check_power(host)}
    assert "temperature" not in found
    assert found["power"].found.startswith("VDD_CPU_GPU_CV")


def test_without_power_monitors_energy_is_said_to_be_missing(tmp_path: Path) -> None:
    files = {path: text for path, text in NANO.files.items() if "hwmon" not in path}
    assert look(replace(NANO, files=files), tmp_path)["power"].state == "warning"


def test_tegrastats_is_run(tmp_path: Path) -> None:
    with_tegrastats(tmp_path, f"echo '{LINE}'; exec sleep 60")
    assert look(NANO, tmp_path)["tegrastats"] == Check("ok", "tegrastats", "6 values per line")


@pytest.mark.parametrize(("script", "says"), [("echo what is this", "cannot parse"), ("exit 3", "does not run")])
def test_tegrastats_of_an_unknown_form_is_a_warning(script: str, says: str, tmp_path: Path) -> None:
    with_tegrastats(tmp_path, script)
    found = look(NANO, tmp_path)["tegrastats"]
    assert found.state == "warning"
    assert says in found.found


def test_absent_tegrastats_names_its_package(tmp_path: Path) -> None:
    found = look(NANO, tmp_path)["tegrastats"]
    assert (found.state, found.found) == ("warning", "no /usr/bin/tegrastats")
    assert "nvidia-l4t-tools" in found.remedy


def test_a_pc_is_asked_for_neither_mode_nor_tegrastats(tmp_path: Path) -> None:
    found = look(SYSTEMS["PC without an NVIDIA GPU"], tmp_path)
    assert set(found) == {"clocks"}
    assert check_power(Host(tmp_path / "nothing"))[0] == Check("ok", "clocks", "not reported by this system")
