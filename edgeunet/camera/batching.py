"""One batch of all sources, or one frame after the other: both are measured at the start."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from edgeunet.errors import GpuError
from edgeunet.imaging.pixels import blank_frame
from edgeunet.runtime.session import Session

ROUNDS = 5  # in which both take turns, so that other load on the machine affects both
CLEARLY = 0.95  # of the time in turn, and a batch is faster: less is within what the machine adds


def batch_of(session: Session, sources: int, *, paired: bool, notify: Callable[[str], None]) -> int:
    """How many frames of different sources should run as one batch: 1 where they should take turns.

    paired: whether the frames come together. Then what counts is when the last mask is made: n frames in turn take n
    times one, the batch takes its own time. Otherwise it is how old a mask can become: in turn, its frame waits for one
    of each other source, n times one with its own; in a batch it waits for the batch at work, and takes the next. On a
    CPU a batch takes about as long as its frames in turn, and never wins. `notify` gets a line with the times.
    """
    count = min(sources, session.max_batch)
    if count < 2:
        return 1
    blank = blank_frame(session.spec)
    try:
        one_ns, batch_ns = _times_ns(session, count)
        lengths = -(-sources // count)  # batches until every source has had its turn
        needed_ns = lengths * batch_ns if paired else (lengths + 1) * batch_ns
        together = needed_ns < CLEARLY * sources * one_ns
        if together:
            for length in range(2, count):  # also made ready: not all sources have a frame each time
                session.run([blank] * length)
    except GpuError as error:
        notify(f"{sources} sources take turns: {' '.join(str(error).split())}")
        return 1
    how = f"run as one batch of up to {count}" if together else "take turns"
    notify(f"{sources} sources {how}: a frame takes {one_ns / 1e6:.1f} ms, a batch of {count} {batch_ns / 1e6:.1f} ms")
    return count if together else 1


def _times_ns(session: Session, count: int) -> tuple[float, float]:
    """Of one frame and of a batch, the first of each not counted."""
    blank = blank_frame(session.spec)
    rounds = [
        (sum(session.run(blank).times_ns.values()), sum(session.run([blank] * count)[0].times_ns.values()))
        for _ in range(1 + ROUNDS)
    ][1:]
    one_ns, batch_ns = zip(*rounds, strict=True)
    return median(one_ns), median(batch_ns)
