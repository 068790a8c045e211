"""A check that is repeated at intervals, in its own thread."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType

CLOSE_S = 0.5  # how long the end waits for a check that hangs


class Poller(ABC):
    """Calls look() every `every_s` seconds while a `with` lasts."""

    def __init__(self, name: str, every_s: float) -> None:
        """name: of the thread."""
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"edgeunet-{name}", daemon=True)

    @abstractmethod
    def look(self) -> bool:
        """Check once; False if there is nothing to check."""

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s) and self.look():
            pass
