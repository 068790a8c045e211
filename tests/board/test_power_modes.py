"""Against a stand-in for nvpmodel on PATH: the real one exists on a Jetson only."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from edgeunet.board import power_modes as nvpmodel
from edgeunet.board.power_modes import PowerMode, RebootNeededError, current_mode, power_modes, restoring, set_mode
from edgeunet.errors import BoardError, MissingDependencyError
from tests.fakes.nvpmodel import FakeNvpmodel


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On PATH, alone."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return path


def program(folder: Path, script: str) -> None:
    (folder / "nvpmodel").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvpmodel").chmod(0o755)


def test_modes_are_listed_read_and_set(folder: Path) -> None:
    fake = FakeNvpmodel(folder)
    assert power_modes() == [PowerMode(n, name) for n, name in fake.modes.items()]
    assert current_mode() == PowerMode(1, "25W")
    set_mode(PowerMode(2, "MAXN_SUPER"))
    assert fake.mode == "MAXN_SUPER"


@pytest.mark.parametrize("declined", [0, 1])
def test_a_reboot_is_declined_whatever_the_exit_code(folder: Path, declined: int) -> None:
    fake = FakeNvpmodel(folder, needs_reboot=("7W",), declined=declined)
    with pytest.raises(RebootNeededError, match="sudo nvpmodel -m 3"):
        set_mode(PowerMode(3, "7W"))
    assert fake.mode == "25W"
    assert not fake.rebooted


def test_a_refusal_has_the_programs_reason(folder: Path) -> None:
    FakeNvpmodel(folder, refused=("7W",))
    with pytest.raises(BoardError, match=r"did not set 7W \(NVPM ERROR: failed to set CPU_A78_0 MAX_FREQ\)") as error:
        set_mode(PowerMode(3, "7W"))
    assert "\n" not in str(error.value)


def test_without_the_program_the_remedy_is_said(folder: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"nvidia-l4t-nvpmodel; other machines have no power modes"):
        current_mode()


def test_answers_of_another_form_are_errors_of_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for script, words in (
        ("", "it printed nothing"),
        ("echo NVPM ERROR: no conf; exit 255", "no conf"),
        ("printf 'a\\n\\377\\n'", "�"),
        ("exec /bin/sleep 600", "did not end within"),
    ):
        program(folder, script)
        if "sleep" in script:
            monkeypatch.setattr(nvpmodel, "TIMEOUT_S", 0.2)
        for ask in (power_modes, current_mode):
            with pytest.raises(BoardError, match=words) as error:
                ask()
            assert "\n" not in str(error.value)
    (folder / "nvpmodel").write_bytes(b"\x7fELF")
    with pytest.raises(BoardError, match="cannot be started"):
        current_mode()


def test_the_mode_found_is_set_again_after_a_failure(folder: Path) -> None:
    fake = FakeNvpmodel(folder)

    def fail() -> None:
        with restoring() as found:
            assert found == PowerMode(1, "25W")
            set_mode(PowerMode(3, "7W"))
            assert fake.mode == "7W"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert fake.mode == "25W"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_mode_found_is_set_again_after_signals(folder: Path, number: signal.Signals) -> None:
    fake = FakeNvpmodel(folder)
    before = signal.getsignal(number)
    again = False

    def interrupted() -> None:
        nonlocal again
        with restoring():
            set_mode(PowerMode(3, "7W"))
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)  # an impatient second one
                again = True

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert again
    assert fake.mode == "25W"
    assert signal.getsignal(number) == before


def test_a_signal_while_the_mode_is_set_again_is_too_late(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvpmodel(folder)
    setting = nvpmodel.set_mode
    with restoring():
        setting(PowerMode(3, "7W"))

        def interrupted(mode: PowerMode) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            setting(mode)

        monkeypatch.setattr(nvpmodel, "set_mode", interrupted)
    assert fake.mode == "25W"


def test_a_mode_that_could_not_be_set_again_is_never_left(folder: Path) -> None:
    program(folder, 'case $1 in -q) printf "NV Power Mode: 25W\\n1\\n";; *) echo Reboot required;; esac')
    with pytest.raises(BoardError, match="could not be restored"), restoring():
        pytest.fail("the block ran")


@pytest.mark.parametrize(("user", "remedy"), [(1000, 'needs root: sudo env "PATH=$PATH"'), (0, "sudo nvpmodel -m 1")])
def test_who_is_not_root_is_told_so_with_the_first_error(
    folder: Path, user: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For another user nvpmodel ends with exit code 0, and the mode that is set stays set."""
    FakeNvpmodel(folder, root=False)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(BoardError, match="Error opening /var/lib/nvpmodel/status: 13") as error, restoring():
        pytest.fail("the block ran")
    assert remedy in str(error.value)


def test_a_mode_that_is_not_set_again_is_told_with_the_command(folder: Path) -> None:
    fake = FakeNvpmodel(folder)

    def leave() -> None:
        with restoring():
            set_mode(PowerMode(3, "7W"))
            FakeNvpmodel(folder, refused=("25W",)).set(3)

    with pytest.raises(BoardError, match=r"the earlier power mode, 25W, .* sudo nvpmodel -m 1") as error:
        leave()
    assert fake.mode == "7W"
    assert "\n" not in str(error.value)
