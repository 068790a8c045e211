"""Telling systemd that the camera runs, and that it is still alive. Protocol: sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from edgeunet.board.machine import is_number
from edgeunet.camera.statistics import LoopStats

STATUS_EVERY_S = 1.0


class Service:
    """Sends to the socket that systemd names in NOTIFY_SOCKET; does nothing if there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        ours = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
        interval_us = environment.get("WATCHDOG_USEC", "") if ours else ""
        # Half of what systemd allows is what sd_watchdog_enabled(3) advises.
        self._interval_s = int(interval_us) / 2e6 if is_number(interval_us) else None
        self._due = self._status_due = 0.0
        self._status = ""

    def ready(self) -> None:
        """Report that the camera runs."""
        self._send("READY=1")

    def alive(self) -> None:
        """Report that nothing hangs, as often as systemd's watchdog needs it."""
        now = time.monotonic()
        if self._interval_s is not None and now >= self._due:
            self._due = now + self._interval_s / 2
            self._send("WATCHDOG=1")

    def status(self, stats: Mapping[str, LoopStats]) -> None:
        """Say the state of each source, once per second if it has changed: the line that `systemctl status` shows."""
        now = time.monotonic()
        line = "; ".join(f"{name}: {s.state.finding}" for name, s in stats.items())
        line = " ".join(line.split())  # a new line would be another message
        if now >= self._status_due and line != self._status:
            self._status, self._status_due = line, now + STATUS_EVERY_S
            self._send(f"STATUS={line}")

    def stopping(self) -> None:
        """Report that the camera ends."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # The camera continues without its supervisor.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.sendto(message.encode(), self._address)
