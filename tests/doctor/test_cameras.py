"""The cameras in the doctor, asked of the list's fake kernel; who holds them is read from a tree of /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.doctor import Check, Host
from edgeunet.doctor import cameras as checkup
from edgeunet.doctor.cameras import check_cameras
from tests.board.test_cameras import CAPTURE, DISCRETE, FakeKernel, SizesOf

Driver = tuple[str, str, int, SizesOf]

WEBCAM: Driver = (
    "uvcvideo",
    "HD Webcam",
    CAPTURE,
    {"MJPG": [(DISCRETE, (640, 480), [(DISCRETE, (1, 30))]), (DISCRETE, (1280, 720), [(DISCRETE, (1, 60))])]},
)
SENSOR: Driver = ("tegra-video", "imx219", CAPTURE, {"RG10": [(DISCRETE, (1920, 1080), [(DISCRETE, (1, 30))])]})


@pytest.fixture
def board(tmp_path: Path) -> Host:
    """A Jetson without cameras."""
    for name, text in {"etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 1\n", "dev/null": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return Host(tmp_path)


def test_no_camera_is_a_warning_on_a_board_only(board: Host, tmp_path: Path) -> None:
    (found,) = check_cameras(board)
    assert (found.state, found.found) == ("warning", "none")
    assert "jetson-io.py" in found.remedy
    assert check_cameras(Host(tmp_path / "nothing")) == [Check("ok", "cameras", "none")]


def test_a_container_is_told_to_be_given_its_camera(board: Host) -> None:
    (board.root / ".dockerenv").touch()
    assert check_cameras(board)[0].remedy == "give the container --device /dev/video0"


def test_a_camera_is_told_with_its_largest_mode(board: Host) -> None:
    (found,) = check_cameras(board, FakeKernel(board.root / "dev", {"video0": WEBCAM}))
    address = board.root / "dev/video0"
    assert found == Check("ok", f"camera {address}", "HD Webcam, 2 modes up to 1280×720 at 60 fps")


def test_sensors_need_nvidias_daemon(board: Host) -> None:
    kernel = FakeKernel(board.root / "dev", {"video0": SENSOR})
    sensor, daemon = check_cameras(board, kernel)
    assert (sensor.state, sensor.part) == ("ok", "camera csi://0")
    assert daemon.state == "warning"
    assert daemon.remedy.startswith("sudo systemctl restart nvargus-daemon")
    (board.root / "tmp").mkdir()
    (board.root / checkup.ARGUS_SOCKET).touch()
    assert check_cameras(board, kernel) == [sensor]


def test_a_camera_of_another_group_names_the_command(board: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    kernel = FakeKernel(board.root / "dev", {"video0": WEBCAM})
    monkeypatch.setattr("edgeunet.board.cameras.os.open", refused)  # to root nothing is refused
    (found,) = check_cameras(board, kernel)
    assert (found.state, found.found) == ("warning", "permission denied")
    assert found.remedy.startswith("sudo usermod -aG video $USER")


def test_a_camera_that_another_program_holds_names_it(board: Host) -> None:
    kernel = FakeKernel(board.root / "dev", {"video0": WEBCAM})
    descriptors = board.root / "proc/812/fd"
    descriptors.mkdir(parents=True)
    (descriptors / "3").symlink_to("/dev/video0")
    (descriptors.parent / "comm").write_text("cheese\n")
    (board.root / "proc/813").mkdir()  # it ended meanwhile
    (found,) = check_cameras(board, kernel)
    assert found.state == "warning"
    assert found.found == "HD Webcam, in use by cheese (pid 812)"
