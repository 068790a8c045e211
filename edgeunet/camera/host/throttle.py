"""Watching beside the loop whether heat or current holds the board's clocks down."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from edgeunet.board.machine import ROOT
from edgeunet.board.sensors.sysfs import sensors

EVERY_S = 1.0
CLOSE_S = 0.5  # how long the end waits for a sensor that hangs


class ThrottleWatch:
    """Calls `throttled`, in a thread of its own, each time the board is found to throttle. Use it in a `with`.

    Nothing is watched on a machine that does not tell, and a sensor that gives no answer is asked again.
    """

    def __init__(self, throttled: Callable[[], None], *, root: Path = ROOT, every_s: float = EVERY_S) -> None:
        """root: where the system's files are looked up."""
        self._throttled = throttled
        self._root = root
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="edgeunet-throttle-watch", daemon=True)

    def __enter__(self) -> ThrottleWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(CLOSE_S)

    def _watch(self) -> None:
        read = next((s.read for s in sensors(self._root, os.getpid()) if s.name == "throttled"), None)
        while read is not None and not self._stopped.wait(self._every_s):
            try:
                held_down = read() > 0
            except (OSError, ValueError):
                continue
            if held_down:
                self._throttled()
