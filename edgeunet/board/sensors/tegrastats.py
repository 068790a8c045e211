"""tegrastats, NVIDIA's tool on a Jetson: its lines as numbers, and the running program.

The known forms are from the docs of Jetson Linux and logs of JetPack 5 to 7. Everything else in a line is ignored.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from select import select

from edgeunet.board.machine import text_of
from edgeunet.board.sensors.sysfs import OFF_BELOW_C, plain

STALE_INTERVALS = 5  # after which a line is too old
_BLOCK, _BLOCKS = 1 << 16, 4  # bytes, and reads at once: it may print faster than it is read
_NUMBER = r"-?\d{1,9}(?:\.\d{1,9})?"
_CPU = re.compile(r"(?<!\S)CPU \[([^\]]*)\]")
_CORE = re.compile(r"\d{1,3}%@(\d{1,5})")
_LOAD_AND_CLOCK = r"(?: (\d{1,3})%)?(?:(?: |(?<=%))@\[?(\d{1,5})[\d,]*\]?)?(?!\S)"
_MEMORY_BUS = re.compile(r"(?<!\S)EMC_FREQ" + _LOAD_AND_CLOCK)
_GPU = re.compile(r"(?<!\S)GR3D_FREQ" + _LOAD_AND_CLOCK)
_TEMPERATURE = re.compile(rf"(?<!\S)([A-Za-z][\w-]{{0,31}})@({_NUMBER})C(?:/{_NUMBER}C)*(?!\S)")
_POWER = re.compile(rf"(?<!\S)([A-Za-z]\w{{0,31}}) ({_NUMBER})mW(?:/{_NUMBER}mW)*(?!\S)")


def parse(line: str) -> dict[str, float]:
    """The current quantities of one line by name, in the units that the names end in.

    "cpu0_mhz", "emc_mhz", "gpu_mhz", "gpu_busy_percent", "tj_c", "VDD_IN_mw", …; empty for a line of an unknown form.
    A core that is off and a zone without power are left out.
    """
    values: dict[str, float] = {}
    if cores := _CPU.search(line):
        for number, core in enumerate(cores[1].split(",")):
            if clock := _CORE.fullmatch(core):
                values[f"cpu{number}_mhz"] = float(clock[1])
    for name, pattern in (("emc", _MEMORY_BUS), ("gpu", _GPU)):
        if found := pattern.search(line):
            for quantity, value in ((f"{name}_busy_percent", found[1]), (f"{name}_mhz", found[2])):
                if value is not None:
                    values[quantity] = float(value)
    for zone, degrees in _TEMPERATURE.findall(line):
        if float(degrees) > OFF_BELOW_C:
            values[f"{plain(zone.lower())}_c"] = float(degrees)
    for rail, milliwatts in _POWER.findall(line):
        values[f"{rail}_mw"] = float(milliwatts)
    return values


class Tegrastats:
    """The running program under `root`; it may be absent, hang, die, or print unknown lines."""

    def __init__(self, root: Path, interval_s: float) -> None:
        self._stale_s = STALE_INTERVALS * interval_s
        self._unread = b""
        self._latest: dict[str, float] = {}
        self._latest_at = -float("inf")
        self._cpu_seconds = 0.0
        self._ended = False
        command = [str(root / "usr/bin/tegrastats"), "--interval", str(max(1, round(interval_s * 1e3)))]
        self._process: subprocess.Popen[bytes] | None = None
        with suppress(OSError):  # absent, or not to be run
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            os.set_blocking(_output(self._process), False)

    def first(self, timeout_s: float) -> dict[str, float]:
        """The first line with values; empty if none comes in time."""
        end = time.monotonic() + timeout_s
        while not (values := self.latest()) and (left := end - time.monotonic()) > 0:
            if self._process is None or self._ended:
                break
            select([_output(self._process)], [], [], left)
        return values

    def latest(self) -> dict[str, float]:
        """The newest line, without waiting; empty if the last one is too old."""
        if self._process is not None and not self._ended:
            self._read(_output(self._process))
        return self._latest if time.monotonic() - self._latest_at < self._stale_s else {}

    def cpu_seconds(self) -> float:
        """CPU time that the program took until now."""
        if self._process is not None:
            fields = text_of(Path(f"/proc/{self._process.pid}/stat")).rpartition(")")[2].split()
            if len(fields) > 12:
                self._cpu_seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return self._cpu_seconds

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _read(self, handle: int) -> None:
        for _ in range(_BLOCKS):
            try:
                block = os.read(handle, _BLOCK)
            except BlockingIOError:
                break
            self._unread = (self._unread + block)[-_BLOCK:]
            if not block:
                self._ended = True
                break
        *lines, self._unread = self._unread.split(b"\n")
        for line in reversed(lines):
            if values := parse(line.decode(errors="replace")):
                self._latest, self._latest_at = values, time.monotonic()
                break


def _output(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None  # noqa: S101  it was asked for
    return process.stdout.fileno()
