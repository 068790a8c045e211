"""Which of several models runs: the most wanted one that keeps the deadline. It knows only ages and clock readings.

Judged is the age of a mask, and not the model's own time: it is what --deadline-ms counts as late, it holds the wait
for the frame before, and it is stamped before anything is drawn, so that a slow disk is not held against a model.

Up again it goes only if the better model is expected to fit. Its time when it last ran was too long, or it would still
run; so what counts is how many times as long as the present model it took when all were measured side by side. That
ratio holds under load, heat and lower clocks, as both get slower: the present p99, and the present median as many times
more. Where that is wrong, a step up fails within a few masks, and the next one waits twice as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

Cause = Literal["deadline", "throttling", "fits"]

WINDOW = 100  # masks that the p99 is taken of: 3 s at 30 frames a second
LATE = WINDOW // 100  # of them may be late: with one more the p99 is late, whatever the rest of the window brings
MARGIN = 0.8  # share of the deadline that a better model is expected to need at most
START_NS = 1_000_000_000  # while sinks open, the first masks are late with any model
STAY_NS = 5_000_000_000  # before a step up; doubled for each time in a row that the better model failed
LONGEST_STAY_NS = 64 * STAY_NS
HELD_NS = 60_000_000_000  # a model that ran for less has failed
COOLING_NS = 15_000_000_000  # after a switch, before throttling takes the next step: heat takes its time to leave


class Switch(NamedTuple):
    """To another model, by its place in the order of preference. why: for people."""

    to: int
    cause: Cause
    why: str


class Ladder:
    """Says when to switch: down when the p99 of the age misses the deadline or the board throttles, and up again.

    judge() is for one thread, throttled() may come from another.
    """

    def __init__(self, times_ns: Sequence[int], deadline_ns: int) -> None:
        """times_ns: each model's for one frame, in the order of preference, all measured under the same load."""
        self.current = 0
        self._times_ns = tuple(times_ns)
        self._deadline_ns = deadline_ns
        self._ages_ns: deque[int] = deque(maxlen=WINDOW)
        self._since_ns = 0  # captured earlier, a frame tells nothing of the current model
        self._cool_ns = 0
        self._hot_ns = -1  # when the board last throttled
        self._failures = [0] * len(self._times_ns)

    def throttled(self, now_ns: int) -> None:
        """The board throttles at this moment."""
        self._hot_ns = now_ns

    def judge(self, captured_ns: int, now_ns: int) -> Switch | None:
        """A mask of a frame captured then is published now; the switch to make before the next frame, if any."""
        self._since_ns = self._since_ns or now_ns + START_NS
        if captured_ns < self._since_ns:
            return None
        self._ages_ns.append(now_ns - captured_ns)
        switch = self._down(now_ns) or self._up(now_ns)
        if switch is not None:
            self._go(switch.to, now_ns)
        return switch

    def _down(self, now_ns: int) -> Switch | None:
        below = self.current + 1
        if below == len(self._times_ns):
            return None
        late = sum(age > self._deadline_ns for age in self._ages_ns)
        if late > LATE:
            limit = f"{self._deadline_ns / 1e6:g} ms"
            return Switch(below, "deadline", f"{late} of the last {len(self._ages_ns)} masks were older than {limit}")
        if self._hot_ns >= self._cool_ns:
            return Switch(below, "throttling", "the board throttles")
        return None

    def _up(self, now_ns: int) -> Switch | None:
        above = self.current - 1
        if above < 0 or len(self._ages_ns) < WINDOW:
            return None
        stay_ns = min(STAY_NS << self._failures[above], LONGEST_STAY_NS)
        if now_ns - max(self._since_ns, self._hot_ns) < stay_ns:
            return None
        ages_ns = sorted(self._ages_ns)
        ratio = self._times_ns[above] / self._times_ns[self.current]
        # Not the p99 times the ratio: what lies between it and the median is the system's, and no longer with another.
        expected_ns = ages_ns[-1 - LATE] + (ratio - 1) * ages_ns[WINDOW // 2]
        if expected_ns > MARGIN * self._deadline_ns:
            return None
        expected, limit = f"{expected_ns / 1e6:.3g} ms", f"{self._deadline_ns / 1e6:g} ms"
        return Switch(above, "fits", f"its p99 is expected at {expected}, the deadline is {limit}")

    def _go(self, to: int, now_ns: int) -> None:
        if to > self.current:
            failed = now_ns - self._since_ns < HELD_NS
            self._failures[self.current] = self._failures[self.current] + 1 if failed else 0
        self.current = to
        self._since_ns = now_ns
        self._cool_ns = now_ns + COOLING_NS
        self._ages_ns.clear()
