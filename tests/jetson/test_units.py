"""The systemd units: sound by systemd's own verifier, hardened, and calling commands that exist with such options."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import unknown_options

JETSON = Path(__file__).parents[2] / "jetson"
CAMERA, SOAK, TIMER = "edgeunet-camera@.service", "edgeunet-soak.service", "edgeunet-soak.timer"
COMMAND = "/opt/edgeunet/.venv-jetson/bin/edgeunet"
MOST_EXPOSED = 25  # of 100, as `systemd-analyze security` counts
Settings = dict[str, list[str]]


def settings(unit: str) -> Settings:
    """Values by key, in order, with continued lines put together."""
    found: Settings = {}
    for line in (JETSON / unit).read_text().replace("\\\n", "").splitlines():
        key, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here: apt install systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for unit in (CAMERA, SOAK, TIMER):
        text = (JETSON / unit).read_text()
        assert (COMMAND in text) == (unit != TIMER)
        (tmp_path / unit).write_text(text.replace(COMMAND, "/bin/true"))  # the verifier asks whether it can be run
    done = systemd_analyze("verify", "--man=no", *(tmp_path / unit for unit in (CAMERA, SOAK, TIMER)))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [CAMERA, SOAK])
def test_services_are_hardened(unit: str) -> None:
    done = systemd_analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", JETSON / unit)
    assert done.returncode == 0, done.stdout[-200:]
    found = settings(unit)
    assert found["ProtectSystem"] == ["strict"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["DevicePolicy"] == ["closed"]
    assert "char-video4linux rw" in found["DeviceAllow"] or unit == SOAK


@pytest.mark.parametrize("unit", [CAMERA, SOAK])
def test_commands_and_their_options_exist(unit: str) -> None:
    found = settings(unit)
    for line in (found["ExecStartPre"][0], found["ExecStart"][0]):
        call = line.partition(COMMAND)[2].removesuffix("'").strip()
        assert "--" in call or "$CAMERA_OPTIONS" in call
        assert unknown_options(shlex.split(call)) == set()


def test_the_example_sets_every_variable_that_the_service_uses() -> None:
    used = set(
        re.findall(r"\$+\{?([A-Z_]+)", " ".join(settings(CAMERA)["ExecStartPre"] + settings(CAMERA)["ExecStart"]))
    )
    given = {line.partition("=")[0] for line in (JETSON / "camera.env").read_text().splitlines() if "=" in line}
    assert used <= given
    assert {"MODEL", "EDGEUNET_SOURCE"} <= used


def test_no_password_of_a_camera_is_on_a_command_line() -> None:
    """Which every user of the machine may read; only the shell that asks whether it is set names the variable."""
    commands = settings(CAMERA)["ExecStart"] + settings(CAMERA)["ExecStartPre"]
    named = [command for command in commands if "SOURCE" in command]
    assert [command.partition(" ")[0] for command in named] == ["/bin/sh"]
    assert "$$EDGEUNET_SOURCE" in named[0]  # systemd hands this on as it is


def test_a_camera_starts_again_but_not_for_ever() -> None:
    found = settings(CAMERA)
    assert found["Type"] == ["notify"]
    assert found["Restart"] == ["always"]
    assert found["RestartPreventExitStatus"] == ["2"]
    assert found["StartLimitBurst"]
    assert found["WatchdogSec"] == ["30s"]


def test_an_engine_build_fits_into_the_start() -> None:
    """On a small board a build took 9.5 minutes, as users report; level 5 takes several times as long."""
    for unit in (CAMERA, SOAK):
        value, word = re.fullmatch(r"(\d+)(min|h)", settings(unit)["TimeoutStartSec"][0]).groups()  # type: ignore[union-attr]
        assert int(value) * {"min": 1, "h": 60}[word] >= 40
        assert "--if-stale" in settings(unit)["ExecStartPre"][0]


def test_a_sensors_daemon_can_be_reached() -> None:
    """nvargus-daemon listens in /tmp."""
    assert settings(CAMERA)["PrivateTmp"] == ["no"]
