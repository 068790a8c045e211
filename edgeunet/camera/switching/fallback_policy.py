"""Which of several models runs: the preferred one that keeps the deadline. It knows only ages and clock readings.

It judges the age of a mask, not the model's own time: --deadline-ms counts that age, it contains the wait for the frame
before, and it is taken before anything is drawn, so that a slow disk does not make a model look slow.

It returns to a better model only if that one is expected to fit. How long it took when it last ran says nothing: that
was too long, or it would still run. What counts is the ratio of its time to the present model's, both measured in turn
at the start. That ratio holds under load, heat and lower clocks, which slow both: the expected p99 is p99 + median *
(ratio - 1), with the present p99 and median. Where that is wrong, the better model fails within a few masks, and the
next attempt waits twice as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

Cause = Literal["deadline", "throttling", "fits"]

WINDOW = 100  # masks of which the p99 is taken: 3 s at 30 fps
LATE = WINDOW // 100  # of them may be late: with one more the p99 is late, however the window goes on
MARGIN = 0.8  # of the deadline: a better model must be expected to need no more
START_NS = 1_000_000_000  # not judged: while sinks open, the first masks are late with any model
STAY_NS = 5_000_000_000  # before a better model is tried; doubled each time in a row that it failed
LONGEST_STAY_NS = 64 * STAY_NS
HELD_NS = 60_000_000_000  # a model that ran for less has failed
COOLING_NS = 15_000_000_000  # after a switch, before throttling causes the next: a board cools slowly


class Switch(NamedTuple):
    """To another model, by its place in the order of preference. why: for people."""

    to: int
    cause: Cause
    why: str


class FallbackPolicy:
    """Says when to switch: to the next model when the p99 misses the deadline or the board throttles, and back again.

    judge() is for one thread; another may call throttled().
    """

    def __init__(self, times_ns: Sequence[int], deadline_ns: int) -> None:
        """times_ns: of each model for one frame, in the order of preference, all measured under the same load."""
        self.current = 0
        self._times_ns = tuple(times_ns)
        self._deadline_ns = deadline_ns
        self._ages_ns: deque[int] = deque(maxlen=WINDOW)
        self._since_ns = 0  # a frame that was captured earlier says nothing about the current model
        self._cool_ns = 0
        self._hot_ns = -1  # when the board last throttled
        self._failures = [0] * len(self._times_ns)

    def throttled(self, now_ns: int) -> None:
        """The board throttles at this moment."""
        self._hot_ns = now_ns

    def judge(self, captured_ns: int, now_ns: int) -> Switch | None:
        """A mask is published now, its frame was captured then: the switch to make before the next frame, if any."""
        self._since_ns = self._since_ns or now_ns + START_NS
        if captured_ns < self._since_ns:
            return None
        self._ages_ns.append(now_ns - captured_ns)
        switch = self._to_next(now_ns) or self._to_better(now_ns)
        if switch is not None:
            self._take(switch.to, now_ns)
        return switch

    def _to_next(self, now_ns: int) -> Switch | None:
        after = self.current + 1
        if after == len(self._times_ns):
            return None
        late = sum(age > self._deadline_ns for age in self._ages_ns)
        if late > LATE:
            limit = f"{self._deadline_ns / 1e6:g} ms"
            return Switch(after, "deadline", f"{late} of the last {len(self._ages_ns)} masks were older than {limit}")
        if self._hot_ns >= self._cool_ns:
            return Switch(after, "throttling", "the board throttles")
        return None

    def _to_better(self, now_ns: int) -> Switch | None:
        better = self.current - 1
        if better < 0 or len(self._ages_ns) < WINDOW:
            return None
        stay_ns = min(STAY_NS << self._failures[better], LONGEST_STAY_NS)
        if now_ns - max(self._since_ns, self._hot_ns) < stay_ns:
            return None
        ages_ns = sorted(self._ages_ns)
        ratio = self._times_ns[better] / self._times_ns[self.current]
        # Not the p99 times the ratio: what it has above the median is the system's, and does not depend on the model.
        expected_ns = ages_ns[-1 - LATE] + (ratio - 1) * ages_ns[WINDOW // 2]
        if expected_ns > MARGIN * self._deadline_ns:
            return None
        expected, limit = f"{expected_ns / 1e6:.3g} ms", f"{self._deadline_ns / 1e6:g} ms"
        return Switch(better, "fits", f"its p99 is expected at {expected}, the deadline is {limit}")

    def _take(self, to: int, now_ns: int) -> None:
        if to > self.current:
            failed = now_ns - self._since_ns < HELD_NS
            self._failures[self.current] = self._failures[self.current] + 1 if failed else 0
        self.current = to
        self._since_ns = now_ns
        self._cool_ns = now_ns + COOLING_NS
        self._ages_ns.clear()
