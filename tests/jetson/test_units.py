"""The systemd units: sound by systemd's own verifier, hardened, and calling commands that exist with such options."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatchcase
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


def opened(unit: str) -> tuple[set[str], set[str]]:
    """Names of /proc/devices, as globs, and device files that a unit may open."""
    allowed = [value.removesuffix(" rw") for value in settings(unit)["DeviceAllow"]]
    names = {value.removeprefix("char-") for value in allowed if value.startswith("char-")}
    return names, set(allowed) - {f"char-{name}" for name in names}


@pytest.mark.parametrize("unit", [CAMERA, SOAK])
def test_a_service_opens_the_gpu_of_every_board_and_no_more(unit: str) -> None:
    """systemd holds char-NAME against the names with which drivers register; these are from the kernel's sources.

    Orin: nvgpu (os/linux/ioctl.c: the platform device's name), host1x-nvhost, host1x-fence, tegra-drm. Thor: the open
    driver of PCs. nvmap is a misc device, of which only the file has its name.
    """
    names, files = opened(unit)
    needed = ["17000000.gpu", "nvhost", "host1x-fence", "drm", "nvidia", "nvidiactl", "nvidia-uvm"]
    if unit == CAMERA:
        needed.append("video4linux")
    assert {name for name in needed if not any(fnmatchcase(name, glob) for glob in names)} == set()
    assert {glob for glob in names if not any(fnmatchcase(name, glob) for name in needed)} == set()
    assert files == {"/dev/nvmap", "/dev/nvsciipc"}
    others = ["mem", "tty", "input", "kvm", "watchdog", "i2c", "spidev", "gpiochip", "hidraw", "usb_device", "rtc"]
    assert [name for name in others if any(fnmatchcase(name, glob) for glob in names)] == []


@pytest.mark.parametrize("unit", [CAMERA, SOAK])
def test_a_service_has_a_cache_and_a_folder_for_temporary_files(unit: str) -> None:
    """Under ProtectSystem=strict /tmp is read-only, unless it is the service's own; without a cache the driver compiles
    the kernels at every start.
    """
    found = settings(unit)
    environment = dict(word.split("=", 1) for line in found["Environment"] for word in line.split())
    cache = f"/var/cache/{found['CacheDirectory'][0]}"
    assert environment["CUDA_CACHE_PATH"] == f"{cache}/cuda"
    assert environment.get("TMPDIR") == cache or found["PrivateTmp"] == ["yes"]


@pytest.mark.parametrize("unit", [CAMERA, SOAK])
def test_a_service_finds_nvpmodel(unit: str) -> None:
    """It is in /usr/sbin, which systemd's own PATH has."""
    assert not [value for value in settings(unit)["Environment"] if re.search(r"\bPATH=", value)]


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
