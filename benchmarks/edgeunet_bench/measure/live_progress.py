"""The progress of a measurement, drawn between samples so that it costs none of them time."""

from __future__ import annotations

import time
from types import TracebackType

from edgeunet.utils.console import progress

REFRESH_NS = 500_000_000
OVERDUE_NS = 30_000_000_000


class LiveProgress:
    """A progress bar on stderr that is drawn only on request, between two samples. Use it in a `with` statement."""

    def __init__(self, title: str, total: float) -> None:
        """total: seconds or pieces of work."""
        self._bar = progress(by_itself=False)
        self._task = self._bar.add_task(title, total=round(total), note="")
        self._drawn_ns = time.perf_counter_ns() - REFRESH_NS

    def __enter__(self) -> LiveProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def overdue(self) -> bool:
        """Whether the last drawing is long enough ago to delay a sample for it: by 1 ms, at times 5."""
        return time.perf_counter_ns() - self._drawn_ns > OVERDUE_NS

    def title(self, title: str) -> None:
        """Name the next phase."""
        self._bar.update(self._task, description=title, refresh=True)

    def show(self, done: float, note: str, *, last: bool = False) -> None:
        """Draw how much is done, unless it was drawn just before."""
        now = time.perf_counter_ns()
        if last or now - self._drawn_ns > REFRESH_NS:
            self._drawn_ns = now
            self._bar.update(self._task, completed=int(done), note=note, refresh=True)
