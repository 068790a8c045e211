"""The state of one source: what is found in each of its masks, and what is said while none comes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from statistics import median

from edgeunet.camera.state.mask_state import (
    STARTING,
    Finding,
    MaskState,
    StateMachine,
    StateReport,
    StateStats,
    worst,
)

DEADLINE_NS = 100_000_000  # of the report in silence, where the camera has no deadline
SHORTEST_NS = 10_000_000  # between two reports, however short the deadline is
USUAL = 30  # masks: of the time between two that is usual for a source
MISSED = 3  # usual times without a mask, and there is none


class StateTracker:
    """Follows the masks of one source; for all threads of the loop.

    A source that is not live is never silent: its next frame waits for the loop.
    """

    def __init__(self, source: str, *, live: bool, deadline_ns: int | None = None) -> None:
        """source: its name. deadline_ns: an older mask is late."""
        self._source = source
        self._live = live
        self._deadline_ns = deadline_ns
        self._silence_ns = deadline_ns or DEADLINE_NS
        # Before the deadline is over: a thread wakes up late.
        self._every_ns = max(SHORTEST_NS, self._silence_ns * 9 // 10)
        self._lock = threading.Lock()
        self._machine = StateMachine(live=live)
        self._held = STARTING
        self._starting = live
        self._counts: Counter[MaskState] = Counter()
        self._intervals_ns: deque[int] = deque(maxlen=USUAL)
        self._captured_ns: int | None = None  # of the last mask's frame
        self._mask_ns = self._said_ns = 0  # when the last mask, and the last mask or report, was published

    def begin(self, now_ns: int) -> None:
        """The source starts; times are of time.perf_counter_ns()."""
        self._mask_ns = self._said_ns = now_ns

    def published(self, captured_ns: int, now_ns: int, found: Finding) -> Finding:
        """A mask is made of the frame captured then; returns its state. found: in mask and frame, see judge()."""
        with self._lock:
            if self._captured_ns is not None:
                self._intervals_ns.append(now_ns - self._mask_ns)
            self._captured_ns, self._mask_ns, self._said_ns = captured_ns, now_ns, now_ns
            self._held = self._machine.step(worst(found, self._lateness(now_ns)))
            if self._starting and self._held.state is not MaskState.NONE:
                self._starting = False
                self._counts.clear()  # or no camera could keep --fail-on none:0
            self._counts[self._held.state] += 1
            return self._held

    def report(self, now_ns: int) -> StateReport | None:
        """The state, if it has to be said now because no mask came; else None."""
        with self._lock:
            if not self._live or now_ns < self._due_ns():
                return None
            self._said_ns = now_ns
            finding = self._finding(now_ns)
            if finding.state is MaskState.NONE:
                self._counts[MaskState.NONE] += 1
            if self._is_missing(now_ns):  # else "none" is only held, and a slow camera would never leave it
                self._held = self._machine.step(finding)
            return StateReport(self._source, finding, self._age_ns(now_ns))

    def due_ns(self) -> int | None:
        """When report() has something to say, if no mask comes until then; None for never."""
        with self._lock:
            return self._due_ns() if self._live else None

    def stats(self, now_ns: int) -> StateStats:
        """The state now and so far."""
        with self._lock:
            return StateStats(self._finding(now_ns), self._age_ns(now_ns), dict(self._counts))

    def end(self) -> None:
        """No mask will come, and none is missed."""
        self._live = False

    def _finding(self, now_ns: int) -> Finding:
        """The state between two masks."""
        if not self._live:
            return self._held
        if not self._is_missing(now_ns):
            return worst(self._held, self._lateness(now_ns))
        return Finding(MaskState.NONE, f"no mask for {(now_ns - self._mask_ns) / 1e9:.1f} s")

    def _is_missing(self, now_ns: int) -> bool:
        return now_ns >= self._missing_ns()

    def _missing_ns(self) -> int:
        """When there is no mask any more, unless one comes until then."""
        usual_ns = median(self._intervals_ns) if self._intervals_ns else 0
        return self._mask_ns + max(self._silence_ns, round(MISSED * usual_ns)) + 1

    def _due_ns(self) -> int:
        every_ns, missing_ns = self._said_ns + self._every_ns, self._missing_ns()
        return every_ns if self._said_ns >= missing_ns else min(every_ns, missing_ns)

    def _lateness(self, now_ns: int) -> Finding:
        age_ns = self._age_ns(now_ns)
        if self._deadline_ns is None or age_ns is None or age_ns <= self._deadline_ns:
            return Finding(MaskState.FRESH)
        late = f"{age_ns / 1e6:.0f} ms old, the deadline is {self._deadline_ns / 1e6:g} ms"
        return Finding(MaskState.LATE, late)

    def _age_ns(self, now_ns: int) -> int | None:
        return None if self._captured_ns is None else now_ns - self._captured_ns
