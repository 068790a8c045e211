"""jetson/setup.sh on made boards: what it refuses, what it installs, and what it leaves alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.jetson.board import ROOT, SETUP, Board

JETPACK_6 = "root/etc/nv_tegra_release"
MODEL = "root/proc/device-tree/model"
TENSORRT = "modules/tensorrt.py"
NVCC = "root/usr/local/cuda/bin/nvcc"
INSTALL = "apt-get install --no-install-recommends --no-remove -y"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def release(major: int, revision: str) -> str:
    return f"# R{major} (release), REVISION: {revision}, GCID: 1, BOARD: generic\n"


def test_a_board_is_set_up(board: Board) -> None:
    ran = board.setup()
    assert (ran.code, ran.err) == (0, "")
    venv, pip, pycuda, doctor = ran.log
    assert venv == f"python3 -m venv --system-site-packages {board.venv}"
    assert pip.startswith("python -m pip install --constraint ")
    assert pip.endswith(f"--editable {ROOT}[export,video,serve,bench]")
    assert pycuda.endswith(f"--editable {ROOT}[tensorrt]")
    assert doctor == "edgeunet doctor"
    limits = (board.venv / "edgeunet-constraints.txt").read_text().splitlines()
    tested = set((ROOT / "constraints.txt").read_text().splitlines())
    assert {"numpy<2", "opencv-python<0", "opencv-python-headless<0"} <= set(limits)
    assert {line.partition("=")[0] for line in tested - set(limits) if "==" in line} == {"numpy", "opencv-python"}
    assert f"use it   . {board.venv}/bin/activate" in ran.out


def test_the_second_run_touches_nothing(board: Board) -> None:
    board.setup()
    ran = board.setup()
    assert (ran.code, ran.log) == (0, ["edgeunet doctor"])
    assert "as before" in ran.out


def test_what_changes_the_packages_is_installed_again(board: Board) -> None:
    board.setup()
    board.write("modules/numpy.py", "__version__ = '2.1.0'\n")
    assert any("pip install" in line for line in board.setup().log)
    assert "numpy<3" in (board.venv / "edgeunet-constraints.txt").read_text().splitlines()


def test_a_run_that_was_broken_off_is_taken_up(board: Board) -> None:
    board.program("bin/in-venv", "exit 1")
    ran = board.setup()
    assert (ran.code, "pip could not install" in ran.err) == (1, True)
    board.program("bin/in-venv", 'echo "$(basename "$0") $*" >>"$BOARD/log"')
    shutil.rmtree(board.venv / "bin")
    assert [line.split()[0] for line in board.setup().log] == ["python3", "python", "python", "edgeunet"]


def test_a_pycuda_that_cannot_be_built_does_not_end_it(board: Board) -> None:
    board.program("bin/in-venv", 'echo "$(basename "$0") $*" >>"$BOARD/log"; [[ "$*" != *tensorrt* ]]')
    ran = board.setup()
    assert (ran.code, ran.log[-1]) == (0, "edgeunet doctor")
    assert "pycuda: could not be built, the lines above say why; engines run without it" in ran.out


def test_a_board_without_a_compiler_is_set_up_and_one_that_comes_later_is_used(board: Board) -> None:
    board.remove(NVCC)
    ran = board.setup()
    assert (ran.code, installs(ran.log)) == (0, [])
    assert board.setup().log == ["edgeunet doctor"]
    board.program(NVCC, "")
    assert any(line.endswith("[tensorrt]") for line in board.setup().log)


def test_a_dry_run_tells_and_changes_nothing(board: Board) -> None:
    board.remove(TENSORRT)
    before = sorted(board.folder.rglob("*"))
    ran = board.setup("--dry-run")
    assert (ran.code, ran.log) == (0, [])
    assert sorted(set(board.folder.rglob("*")) - {board.folder / "log"}) == before
    planned = [line for line in ran.out.splitlines() if line.startswith("+ ")]
    assert planned[0] == "+ sudo apt-get update"
    assert planned[1] == f"+ sudo {INSTALL} python3-libnvinfer"
    assert planned[2].startswith("+ python3 -m venv")
    assert "pip install" in planned[3]
    assert planned[4].endswith("[tensorrt]")
    assert planned[5] == f"+ {board.venv}/bin/edgeunet doctor"


def installs(log: list[str]) -> list[str]:
    """What apt-get was told to install; what it was asked beforehand changes nothing."""
    assert all("--no-remove" in line for line in log if "apt-get install" in line)
    return [line.removeprefix(f"{INSTALL} ") for line in log if line.startswith(INSTALL)]


def test_what_is_missing_is_installed_by_sudo(board: Board) -> None:
    board.remove(TENSORRT)
    ran = board.setup()
    assert ran.log[:2] == ["sudo", "apt-get update"]
    assert installs(ran.log) == ["python3-libnvinfer"]
    assert "sudo" not in board.setup(OWN_ID="0").log, "root needs none"


@pytest.mark.parametrize(("known", "package"), [("libopencv-python", "libopencv-python"), ("other", "python3-opencv")])
def test_nvidias_opencv_goes_before_the_distributions(known: str, package: str, board: Board) -> None:
    board.remove(TENSORRT)
    board.write("modules/cv2.py", "raise ImportError('no OpenCV here')\n")
    ran = board.setup(APT_KNOWS=known)
    assert installs(ran.log) == [f"python3-libnvinfer {package}"]
    assert ran.log.count("apt-get update") == 1


def test_what_apt_needs_is_added_to_what_must_be_free(board: Board) -> None:
    board.remove(TENSORRT)
    ran = board.setup(FREE_MB="20000", APT_GROWS="21.5 GB")
    assert (ran.code, installs(ran.log)) == (1, [])
    assert "20000 MB are free in " in ran.err
    assert "25600 MB are needed for python3-libnvinfer and Python's packages: sudo apt clean" in ran.err
    assert installs(board.setup(FREE_MB="20000").log) == ["python3-libnvinfer"]


def test_a_tensorrt_that_stays_away_is_an_error(board: Board) -> None:
    board.write(TENSORRT, "raise ImportError('libnvinfer.so.10')\n")
    ran = board.setup()
    assert ran.code == 1
    assert "python3 -c 'import tensorrt' says why" in ran.err


def test_an_apt_that_fails_is_named(board: Board) -> None:
    board.remove(TENSORRT)
    ran = board.setup(APT_CODE="100")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "apt-get could not install python3-libnvinfer without removing what is installed" in ran.err


def test_from_a_wheel_folder_no_network_is_used(board: Board, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    assert f"pip install --no-index --find-links {wheels}" in board.setup("--wheels", wheels).log[1]
    board.remove(TENSORRT)
    ran = board.setup("--wheels", wheels)
    assert (ran.code, ran.log) == (1, [])
    assert "sudo apt-get install --no-install-recommends --no-remove python3-libnvinfer" in ran.err


@pytest.mark.parametrize(
    ("changes", "environment", "says"),
    [
        ({JETPACK_6: release(35, "4.1")}, {}, r"R35.4 is older than JetPack 6.1 .*: flash JetPack 6.1"),
        ({JETPACK_6: release(36, "3.0")}, {}, r"R36.3 is older than JetPack 6.1"),
        ({MODEL: "NVIDIA Jetson Nano Developer Kit", JETPACK_6: release(32, "7.1")}, {}, "Nano Developer Kit gets no"),
        ({JETPACK_6: ""}, {}, "this is no Jetson .*: on a PC use 'make setup'"),
        ({}, {"PYTHON_VERSION": "3.8"}, "python3 is 3.8, and 3.10 to 3.12 are needed"),
        ({}, {"FREE_MB": "700"}, "700 MB are free in .*, and 3000 MB are needed for Python's packages: sudo apt"),
        ({TENSORRT: "__version__ = '8.6.2.3'"}, {}, "TensorRT 8.6.2.3 is too old, 10.3 or later"),
        (
            {"venv/pyvenv.cfg": "include-system-site-packages = false\n"},
            {},
            "does not see the system's TensorRT and OpenCV: give another folder",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_changed(
    changes: dict[str, str], environment: dict[str, str], says: str, board: Board
) -> None:
    for name, text in changes.items():
        board.write(name, text)
    ran = board.setup(**environment)
    assert (ran.code, ran.log, ran.err.count("\n")) == (1, [], 1)
    assert re.search(says, ran.err), ran.err


@pytest.mark.parametrize("code", ["def getBuildInformation(): return 'GStreamer: NO'", "raise ImportError('numpy')"])
def test_an_opencv_of_pip_is_refused_before_anything_is_changed(code: str, board: Board) -> None:
    folder = board.write("modules/site-packages/cv2.py", code).parent
    ran = board.setup(PYTHONPATH=f"{folder}:{folder.parent}")
    assert (ran.code, ran.log, ran.err.count("\n")) == (1, [], 1)
    assert f"{folder}/cv2.py is pip's OpenCV" in ran.err
    assert "python3 -m pip uninstall opencv-python" in ran.err


def test_compressed_memory_is_no_swap_on_a_small_board(board: Board) -> None:
    assert "ok       memory: 7802 MB, swap 8388 MB" in board.setup().out
    swaps = board.folder / "root/proc/swaps"
    swaps.write_text("".join(line for line in swaps.read_text().splitlines(keepends=True) if "swapfile" not in line))
    ran = board.setup()
    assert ran.code == 0
    assert "warning  memory: 7802 MB and 0 MB of swap (without zram); an engine build may be killed" in ran.out
    assert "systemctl disable nvzramconfig" in ran.out
    assert "/etc/fstab" in ran.out
    swaps.unlink()
    assert "warning  memory" in board.setup().out


def test_installed_units_of_an_older_checkout_are_replaced(board: Board) -> None:
    units = "root/etc/systemd/system"
    board.write(f"{units}/edgeunet-camera@.service", "[Unit]\nDescription=older\n")
    ran = board.setup(OWN_ID="0")
    assert "systemctl daemon-reload" in ran.log
    assert "sudo systemctl restart 'edgeunet-camera@*'" in ran.out
    folder = board.folder / units
    unit = (ROOT / "jetson/edgeunet-camera@.service").read_text()
    assert (folder / "edgeunet-camera@.service").read_text() == unit
    assert "older" in (folder / "edgeunet-camera@.service~").read_text()
    assert not (folder / "edgeunet-soak.service").exists(), "what was not installed is not"
    assert "systemctl daemon-reload" not in board.setup(OWN_ID="0").log


@pytest.mark.parametrize("model", ["NVIDIA Jetson AGX Thor Developer Kit", "NVIDIA Jetson AGX Orin Developer Kit"])
def test_jetpack_7_is_taken(model: str, board: Board) -> None:
    board.write(MODEL, model)
    board.write(JETPACK_6, release(38, "4.0"))
    assert board.setup(PYTHON_VERSION="3.12").code == 0


def test_a_wheel_of_opencv_in_the_venv_is_taken_out(board: Board) -> None:
    board.setup()
    wheel = board.venv / "lib/python3.10/site-packages/opencv_python-4.10.dist-info"
    wheel.mkdir(parents=True)
    assert board.setup().log[0] == "python -m pip uninstall -y opencv_python"


def test_an_image_is_built_without_looking_at_the_board(board: Board) -> None:
    board.write(JETPACK_6, "")
    ran = board.setup("--image", OWN_ID="0")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.log] == ["python3", "python", "python"], "and without the doctor"


@pytest.mark.parametrize(("code", "says"), [(1, "lines marked wrong"), (139, "its doctor ended with exit code 139")])
def test_a_doctor_that_finds_something_wrong_or_dies_ends_it_with_an_error(code: int, says: str, board: Board) -> None:
    board.setup()
    board.program("venv/bin/edgeunet", f"exit {code}")
    ran = board.setup()
    assert (ran.code, ran.err.count("\n"), says in ran.err) == (1, 1, True)


@pytest.mark.parametrize("arguments", [["--bogus"], ["--wheels"]])
def test_wrong_usage_has_its_own_exit_code(arguments: list[str], board: Board) -> None:
    ran = board.setup(*arguments)
    assert (ran.code, ran.log) == (2, [])
    assert ran.err.startswith("error: ")


def test_scripts_are_clean() -> None:
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("no shellcheck here: apt install shellcheck")
    scripts = (SETUP, *sorted((ROOT / "tests/jetson").glob("*.sh")))
    done = subprocess.run([checker, *scripts], capture_output=True, text=True, check=False)
    assert done.stdout == ""
