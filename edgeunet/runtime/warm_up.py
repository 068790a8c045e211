"""The first frames of a session, which are slower than those that follow."""

from __future__ import annotations

from typing import NamedTuple

from edgeunet.imaging.pixels import blank_frame
from edgeunet.runtime.session import Session

WARM_UP = 3  # frames; by then memory is allocated and kernels are chosen
SETTLED = 1.05  # ratio of the last two of them


class WarmUpResult(NamedTuple):
    """The result of the first frames. settled: whether the last two took the same time. slowest_s: of the slowest
    one."""

    settled: bool
    slowest_s: float


def warm_up(session: Session) -> WarmUpResult:
    """Run blank frames, so that the first mask is not late."""
    blank = blank_frame(session.spec)
    times_ns = [sum(session.run(blank).times_ns.values()) for _ in range(WARM_UP)]
    before, last = times_ns[-2:]
    return WarmUpResult(max(before, last) <= SETTLED * min(before, last), max(times_ns) / 1e9)
