"""What disturbs a comparison: the processor time that other programs take, and a machine that slows itself down."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from edgeunet.board.machine import ROOT, is_number, text_of
from edgeunet.board.sensors.sysfs import sensors

MIN_TICKS = 5  # with fewer ticks no share is computed
_IDLE = (3, 4)  # fields of /proc/stat that are no work: idle and iowait
_WORK = slice(0, 8)  # user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already
_USER, _SYSTEM = 11, 12  # fields of /proc/PID/stat behind the name: clock ticks of all threads


class ForeignLoad:
    """Watches the processors `cpus` from its creation on; known on Linux only."""

    def __init__(self, cpus: Collection[int], root: Path = ROOT) -> None:
        self._cpus, self._root = frozenset(cpus), root
        self._busy, self._all = self._ticks()

    def share(self, own_ticks: int) -> float:
        """The share of these processors' time since the start that other programs used; NaN if unknown, or too short.

        own_ticks: what our own processes took of them meanwhile (ticks_of). The time that a hypervisor gave to
        others counts as foreign.
        """
        busy, total = self._ticks()
        if total - self._all < MIN_TICKS:
            return float("nan")
        return max(0, busy - self._busy - own_ticks) / (total - self._all)

    def _ticks(self) -> tuple[int, int]:
        busy = total = 0
        for line in text_of(self._root / "proc/stat").splitlines():
            name, *fields = line.split()
            if is_number(name.removeprefix("cpu")) and int(name[3:]) in self._cpus:
                work = [int(field) for field in fields[_WORK]]
                total += sum(work)
                busy += sum(work) - sum(work[i] for i in _IDLE)
        return busy, total


def ticks_of(pids: Iterable[int], root: Path = ROOT) -> int:
    """Clock ticks of processor time that these processes have used, their waited-for children not included."""
    return sum(_ticks_of(root / f"proc/{pid}/stat") for pid in pids)


def own_ticks() -> int:
    """Clock ticks of this process and of its children that have ended."""
    times = os.times()
    used = times.user + times.system + times.children_user + times.children_system
    return round(used * os.sysconf("SC_CLK_TCK"))


def _ticks_of(path: Path) -> int:
    # The name, in brackets, may hold spaces.
    fields = text_of(path).rpartition(")")[2].split()
    return int(fields[_USER]) + int(fields[_SYSTEM]) if len(fields) > _SYSTEM else 0


def throttling(root: Path = ROOT) -> Callable[[], bool]:
    """A function that says whether the machine throttled since the last call; always False without a sensor."""
    found = next((sensor for sensor in sensors(root, os.getpid()) if sensor.name == "throttled"), None)

    def throttled() -> bool:
        try:
            return found is not None and found.read() > 0
        except (OSError, ValueError):  # a sensor that went away
            return False

    return throttled
