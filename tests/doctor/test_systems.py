"""Whole systems: what the doctor says first of each, and that a board that will not do is refused politely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from edgeunet.doctor import Check, Host, examine, resources
from edgeunet.doctor.host import group_of
from edgeunet.doctor.permissions import check_permissions
from edgeunet.errors import GpuError
from tests.doctor.conftest import Visit
from tests.doctor.systems import NO_DEVICE, ORIN_NANO, SWAPS, SYSTEMS, System

NANO_6 = SYSTEMS["Orin Nano, JetPack 6"]
RELEASES = {
    (36, "4.0"): "6.1",
    (36, "4.3"): "6.2",
    (36, "4.7"): "6.2.1",
    (36, "5.0"): "6.2.2",
    (38, "2.0"): "7.0",
    (38, "4.0"): "7.1",
    (39, "2.0"): "7.2",
    (39, "2.1"): "7.2 or later",
}
SUPPORTED = [name for name in SYSTEMS if "JetPack 6" in name or "JetPack 7" in name]


def test_every_system_gets_one_screen_of_lines(name: str, visit: Visit) -> None:
    found = visit(SYSTEMS[name])
    assert 6 <= len(found) <= 30
    assert all(len(f"{f.part}: {f.found}; {f.remedy}") < 320 for f in found.values())


@pytest.mark.parametrize("name", SUPPORTED)
def test_nothing_is_wrong_with_a_board_that_is_set_up(name: str, visit: Visit) -> None:
    found = visit(SYSTEMS[name])
    assert [f for f in found.values() if f.state == "wrong"] == []
    assert found["board"].found.startswith("NVIDIA Jetson")
    assert found["Jetson Linux"].state == found["TensorRT"].state == found["GPU"].state == "ok"
    assert found["OpenCV"].found == "4.8.0 with GStreamer"
    assert not {"PyTorch", "OpenVINO"} & set(found), "a board does not train"


def test_a_board_is_told_with_its_release_and_versions(visit: Visit) -> None:
    found = visit(NANO_6)
    assert found["board"].found == ORIN_NANO
    assert found["Jetson Linux"].found == "R36.4.3, JetPack 6.2+b77"
    assert found["GPU"].found == "Orin (compute capability 8.7), CUDA 12.6"
    assert "calibration tables" in found["TensorRT"].found
    assert found["pycuda"].found == "2026.1"


def test_without_the_package_the_release_tells_the_jetpack(visit: Visit) -> None:
    for (major, revision), jetpack in RELEASES.items():
        release = f"# R{major} (release), REVISION: {revision}, GCID: 1, BOARD: generic, EABI: aarch64"
        found = visit(NANO_6.but({"var/lib/dpkg/status": "", "etc/nv_tegra_release": release}))["Jetson Linux"]
        assert found.found == f"R{major}.{revision}, JetPack {jetpack}"


def test_jetpack_5_is_refused_with_the_reason_and_the_way_out(visit: Visit) -> None:
    found = visit(SYSTEMS["Orin Nano, JetPack 5"])
    reason = "R35.4.1 (JetPack 5): Python 3.8 and TensorRT 8.5"
    assert found["Jetson Linux"] == Check("wrong", "Jetson Linux", reason, "flash JetPack 6.1 or later (or 7)")
    assert found["board"].state == "ok", "the board itself will do"
    assert found["TensorRT"].state == "wrong"
    assert "JetPack 6.1" in found["TensorRT"].remedy


def test_jetpack_6_0_is_refused_for_its_tensorrt(visit: Visit) -> None:
    release = "# R36 (release), REVISION: 3.0, GCID: 1, BOARD: generic, EABI: aarch64"
    found = visit(NANO_6.but({"etc/nv_tegra_release": release}))["Jetson Linux"]
    assert (found.state, "TensorRT 8.6" in found.found) == ("wrong", True)


def test_a_nano_is_told_that_no_jetpack_will_help(visit: Visit) -> None:
    found = visit(SYSTEMS["Nano, JetPack 4"])
    for part in ("board", "Jetson Linux"):
        assert found[part].state == "wrong"
        assert found[part].remedy.startswith("this board gets no JetPack 6: use an Orin or a Thor")


@pytest.mark.parametrize("text", ["", "unknown\n"])
def test_a_release_that_cannot_be_read_is_a_warning(text: str, visit: Visit) -> None:
    assert visit(NANO_6.but({"etc/nv_tegra_release": text}))["Jetson Linux"].state == "warning"


def test_tensorrt_11_builds_no_calibration_caches(visit: Visit) -> None:
    found = visit(replace(NANO_6, tensorrt="11.4"))["TensorRT"].found
    assert found == "11.4.0, builds fp32, fp16, int8, int8+fp16"


@pytest.mark.parametrize(
    ("system", "tensorrt", "has_one"),
    [
        ("AGX Orin, JetPack 6", "10.3", True),
        ("Orin NX, JetPack 6", "10.3", True),
        ("Orin Nano, JetPack 6", "10.3", False),
        ("AGX Orin, JetPack 7", "10.16", False),
        ("AGX Orin, JetPack 7", "11.4", False),
        ("AGX Orin, JetPack 7", "11.4.1", True),
        ("Orin NX, JetPack 6", "11.4.1", False),
        ("AGX Thor, JetPack 7", "11.4.1", False),
    ],
)
def test_a_dla_counts_where_board_and_tensorrt_have_it(system: str, tensorrt: str, has_one: bool, visit: Visit) -> None:
    found = visit(replace(SYSTEMS[system], tensorrt=tensorrt))["TensorRT"].found
    assert found.endswith(", DLA") == has_one


def test_what_a_board_lacks_is_named_with_its_remedy(visit: Visit) -> None:
    found = visit(replace(NANO_6, tensorrt="", pycuda="", gpu=NO_DEVICE))
    assert found["TensorRT"].remedy == "on a Jetson: apt install python3-libnvinfer; on a PC: pip install tensorrt"
    assert found["pycuda"].found == "not installed; ctypes calls the driver instead"
    assert found["GPU"].state == "wrong"
    assert found["GPU"].remedy == "run nvidia-smi"


def test_pips_opencv_on_a_board_is_a_warning(visit: Visit) -> None:
    found = visit(replace(NANO_6, gstreamer=False))["OpenCV"]
    assert found.state == "warning"
    assert "pip uninstall opencv-python" in found.remedy
    assert "jetson/setup.sh" in found.remedy


def test_a_pc_with_a_gpu_is_asked_what_engines_need(visit: Visit) -> None:
    found = visit(SYSTEMS["PC with an NVIDIA GPU"])
    assert found["board"].found == "x86_64, no Jetson"
    assert found["GPU"].found.endswith("RTX 4090 (compute capability 8.9), CUDA 12.8, driver 570.86.15")
    assert found["TensorRT"].state == "ok"
    assert "Jetson Linux" not in found


def test_a_pc_without_a_gpu_is_not_asked_for_what_it_cannot_use(visit: Visit) -> None:
    found = visit(SYSTEMS["PC without an NVIDIA GPU"])
    assert found["GPU"].state == "ok"
    assert not {"TensorRT", "pycuda", "permissions"} & set(found)
    assert found["OpenCV"].state == "ok", "it needs no GStreamer"


def test_a_gpu_on_the_bus_without_a_driver_is_seen(visit: Visit) -> None:
    pc = SYSTEMS["PC without an NVIDIA GPU"]
    card = {"class": "0x030000\n", "vendor": "0x10de\n"}
    files = {f"sys/bus/pci/devices/0000:01:00.0/{name}": text for name, text in card.items()}
    found = visit(pc.but(files))["GPU"]
    assert (found.state, found.remedy) == ("warning", "install NVIDIA's driver")


def test_a_container_without_devices_is_told_how_to_start(visit: Visit) -> None:
    found = visit(SYSTEMS["container without devices"])
    assert found["container"].state == "wrong"
    assert "--runtime nvidia" in found["container"].remedy
    assert found["GPU"].state == "wrong"


def test_a_container_with_the_devices_is_not_asked_for_the_hosts_settings(visit: Visit) -> None:
    found = visit(NANO_6.but({".dockerenv": ""}))
    assert found["container"] == Check("ok", "container", "with the board's GPU")
    assert not {"power mode", "tegrastats"} & set(found)
    assert [f for f in found.values() if f.state != "ok"] == []


def test_missing_groups_are_named_in_one_command(visit: Visit) -> None:
    found = visit(replace(NANO_6, groups=frozenset({"users"})))["permissions"]
    assert found.state == "wrong"
    assert found.found == "you are not in the group render or video, which may open /dev/dri/renderD128, /dev/nvmap"
    assert found.remedy == "sudo usermod -aG render,video $USER, then log in again"
    assert visit(NANO_6)["permissions"].state == "ok"


@pytest.mark.parametrize(
    ("mode", "group", "says"),
    [
        (0o660, "gpu", "you are not in the group gpu, which may open /dev/nvgpu/igpu0/ctrl"),
        (0o660, "root", "only root may open /dev/nvgpu/igpu0/ctrl"),
        (0o640, "gpu", "only root may open /dev/nvgpu/igpu0/ctrl"),
    ],
)
def test_the_group_is_that_of_each_closed_file(
    mode: int, group: str, says: str, host: Callable[[System], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = host(NANO_6)
    closed = found.root / "dev/nvgpu/igpu0/ctrl"
    closed.chmod(mode)
    monkeypatch.setattr("grp.getgrgid", lambda number: SimpleNamespace(gr_name=group))
    (check,) = check_permissions(replace(found, may_open=lambda path: path != closed, group_of=group_of))
    assert (check.state, check.found) == ("wrong", says)
    assert "usermod -aG root" not in check.remedy


def test_what_the_system_lets_a_user_open_needs_no_group(host: Callable[[System], Host]) -> None:
    """Such as a device with an access control list, or any for root."""
    found = replace(host(replace(NANO_6, groups=frozenset())), may_open=lambda path: True)
    assert Check("ok", "permissions", "you may open the devices of cameras and GPU") in examine(found)


def test_little_memory_without_swap_is_a_warning_on_a_small_board(visit: Visit) -> None:
    total = "MemTotal: 7802632 kB\n"
    enough = total + "MemAvailable: 6000000 kB\n"
    assert visit(NANO_6.but({"proc/meminfo": enough}))["memory"].found.endswith("swap 3.8 GiB")
    for swaps in (SWAPS, ""):  # zram alone is no swap
        found = visit(NANO_6.but({"proc/meminfo": enough, "proc/swaps": swaps}))["memory"]
        assert (found.state, found.found.endswith("swap 0.0 GiB")) == ("warning", True)
        assert "nvzramconfig" in found.remedy
        assert "/etc/fstab" in found.remedy
    found = visit(NANO_6.but({"proc/meminfo": total + "MemAvailable: 500000 kB\n"}))["memory"]
    assert (found.state, "isolate multi-user.target" in found.remedy) == ("warning", True)
    for said in ("nothing", "MemTotal: ² kB", f"MemTotal: {'9' * 4400} kB"):
        assert visit(NANO_6.but({"proc/meminfo": said}))["memory"].found.startswith("unknown")


def test_a_cpu_without_int8_instructions_is_a_warning(visit: Visit) -> None:
    assert visit(NANO_6)["CPU"].found.endswith("INT8 instructions: asimddp")
    assert visit(NANO_6.but({"proc/cpuinfo": "Features\t: fp asimd\n"}))["CPU"].state == "warning"


@pytest.mark.parametrize(("free_gib", "state"), [(0.05, "wrong"), (0.5, "warning"), (50, "ok")])
def test_a_full_disk_is_wrong(free_gib: float, state: str, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(disk_usage=lambda folder: SimpleNamespace(free=free_gib * 2**30))  # no disk is filled
    monkeypatch.setattr(resources, "shutil", fake)
    assert visit(NANO_6)["disk"].state == state


def test_an_error_becomes_a_line_with_its_remedy() -> None:
    assert Check.of_error("wrong", "x", GpuError("x: it broke; fix it")) == Check("wrong", "x", "it broke", "fix it")
    assert Check.of_error("wrong", "x", GpuError("it broke")).remedy


def test_a_line_without_remedy_is_a_fault_of_the_program() -> None:
    for state, remedy in (("ok", "do this"), ("wrong", "")):
        with pytest.raises(ValueError, match="have a remedy"):
            Check(state, "x", "y", remedy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        "proc/stat",
        "proc/meminfo",
        "proc/device-tree/model",
        "etc/nv_tegra_release",
        "var/lib/dpkg/status",
        "var/lib/nvpmodel/status",
        "usr/local/cuda/version.json",
        "sys/class/thermal/thermal_zone0/temp",
        "sys/class/hwmon/hwmon1/in1_input",
        "sys/class/powercap/intel-rapl:0/energy_uj",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage x y\n",
        "# R36 (release), REVISION: x\0",
        f"# R{'9' * 4400} (release), REVISION: 4.3\npmode:{'9' * 4400}\nMemTotal: ² kB\n",
    ],
    ids=["empty", "garbage", "cut", "digits"],
)
def test_damaged_files_end_no_examination(path: str, text: str, visit: Visit) -> None:
    assert {"board", "memory", "disk", "GPU", "OpenCV", "clocks"} <= set(visit(NANO_6.but({path: text})))
