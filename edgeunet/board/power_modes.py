"""The power modes of a Jetson, through NVIDIA's own program: list them, get the current one, set one.

Its output is known from users' logs; nothing here has run on a board yet.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from edgeunet.errors import BoardError, MissingDependencyError

TIMEOUT_S = 60.0  # switching cores on and off takes seconds
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the SSH connection is gone


class RebootNeededError(BoardError):
    """A mode that only a reboot can set."""


@dataclass(frozen=True)
class PowerMode:
    """Numbers mean different modes on different boards."""

    number: int
    name: str


def power_modes() -> list[PowerMode]:
    """All modes of this board, by number; raises BoardError or MissingDependencyError."""
    said = _said("-p", "--verbose")  # "NVPM VERB: POWER_MODEL: ID=0 NAME=15W"
    found = {int(number): name for number, name in re.findall(r"POWER_MODEL:?\s+ID=(\d{1,9})\s+NAME=(\S+)", said)}
    if not found:
        raise BoardError(f"nvpmodel lists no power mode ({_reason(said)}): sudo systemctl restart nvpmodel")
    return [PowerMode(number, found[number]) for number in sorted(found)]


def current_mode() -> PowerMode:
    """The mode that is set; raises BoardError or MissingDependencyError."""
    said = _said("-q")  # "NV Power Mode: MAXN_SUPER", and the number on the next line
    found = re.search(r"NV Power Mode:\s*(\S+)\s+(\d{1,9})\s*$", said, re.MULTILINE)
    if found is None:
        raise BoardError(f"nvpmodel does not report the power mode ({_reason(said)}): sudo systemctl restart nvpmodel")
    return PowerMode(int(found[2]), found[1])


def set_mode(mode: PowerMode) -> None:
    """Set it now; raises RebootNeededError, or BoardError if nvpmodel refuses. Never reboots the board."""
    said = _said("-m", str(mode.number))
    # The exit code of a reboot that was declined differs between releases; the words do not.
    if re.search(r"reboot\s+required", said, re.IGNORECASE):
        raise RebootNeededError(f"needs a reboot: sudo nvpmodel -m {mode.number}, and measure after it")
    # Its exit code is 0 after errors too; and the mode that was set already stays set whatever went wrong.
    if "NVPM ERROR" in said or current_mode().number != mode.number:
        raise BoardError(f"nvpmodel did not set {mode.name} ({_reason(said)})")


@contextmanager
def restoring() -> Iterator[PowerMode]:
    """Yield the current mode, and restore it at the end, also after an exception, Ctrl-C, SIGTERM or SIGHUP.

    The first of these signals is a KeyboardInterrupt; later ones are ignored until the mode is restored.
    Raises BoardError at the start if setting the mode is not allowed, and at the end if it fails.
    """
    found = current_mode()
    try:
        set_mode(found)
    except BoardError as error:
        remedy = (
            'nvpmodel needs root: sudo env "PATH=$PATH" edgeunet bench modes ...'
            if os.geteuid()
            else f"sudo nvpmodel -m {found.number} has to work first"
        )
        raise BoardError(f"{found.name} is the current mode and could not be restored: {error}; {remedy}") from error
    heard = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if not heard:
            heard = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        try:
            yield found
        finally:
            heard = True
    finally:  # also if a signal comes before the line above
        heard = True
        try:
            set_mode(found)
        except BoardError as error:
            remedy = f"sudo nvpmodel -m {found.number} sets it"
            raise BoardError(f"the earlier power mode, {found.name}, was not restored: {error}; {remedy}") from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _said(*arguments: str) -> str:
    """Everything that nvpmodel prints. Its question before a reboot is answered with no."""
    program = shutil.which("nvpmodel")
    if program is None:
        raise MissingDependencyError(
            "nvpmodel",
            "changing the power mode",
            "on a Jetson: sudo apt install --reinstall nvidia-l4t-nvpmodel; other machines have no power modes: use "
            "edgeunet bench run",
        )
    try:
        done = subprocess.run(
            [program, *arguments],
            input="no\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for this process alone
        )
    except OSError as error:
        raise BoardError(f"{program} cannot be started ({error.strerror}): sudo systemctl status nvpmodel") from error
    except subprocess.TimeoutExpired as error:
        raise BoardError(f"nvpmodel {' '.join(arguments)} did not end within {TIMEOUT_S:g} s") from error
    return done.stdout


def _reason(said: str) -> str:
    """The first error, which the others follow from; without one the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "NVPM ERROR" in line), lines[-1] if lines else "it printed nothing")
