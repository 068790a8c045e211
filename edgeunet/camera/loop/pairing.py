"""Which frames of several sources belong together: those whose times are at most `bound_ns` apart.

It knows only times, so that every rule can be tried in virtual time.

Cameras: the newest frames that match come first, and what is older of their sources makes way. A frame without its
match waits for that until it has been here for `bound_ns`, and then goes on with what matches it, or alone.
Files: in order, none is lost. The earliest of the first frames goes on with those that match it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Arrived(NamedTuple):
    """A frame that waits: its own time, and when it arrived here; in ns, by clocks that may differ."""

    time_ns: int
    arrived_ns: int


class NextFrames(NamedTuple):
    """places: by source, which of its waiting frames go on now.

    until_ns: if none does, when to ask again at the latest; None: not before another arrives.
    """

    places: Mapping[int, int]
    until_ns: int | None = None


NOTHING = NextFrames({})


def choose_live(
    waiting: Sequence[Sequence[Arrived]], expected: Collection[int], now_ns: int, bound_ns: int
) -> NextFrames:
    """Of cameras. waiting: by source, the oldest first. expected: the sources to wait for."""
    times = sorted({frame.time_ns for frames in waiting for frame in frames}, reverse=True)
    for end_ns in times:
        group = _window(waiting, end_ns, bound_ns)
        if set(expected) <= set(group):
            return NextFrames(group)
    due = [frame for frames in waiting for frame in frames if frame.arrived_ns + bound_ns <= now_ns]
    if not due:
        arrived = [frame.arrived_ns for frames in waiting for frame in frames]
        return NextFrames({}, min(arrived) + bound_ns) if arrived else NOTHING
    newest_ns = max(frame.time_ns for frame in due)
    end_ns = max(time_ns for time_ns in times if newest_ns <= time_ns <= newest_ns + bound_ns)
    return NextFrames(_window(waiting, end_ns, bound_ns))


def choose_of_files(waiting: Sequence[Sequence[Arrived]], expected: Collection[int], bound_ns: int) -> NextFrames:
    """Of files. waiting, expected: as of choose_live(); each file that goes on has to show its next frame."""
    first = {source: frames[0].time_ns for source, frames in enumerate(waiting) if frames}
    if not first or not set(expected) <= set(first):
        return NOTHING
    earliest_ns = min(first.values())
    return NextFrames({source: 0 for source, time_ns in first.items() if time_ns <= earliest_ns + bound_ns})


def _window(waiting: Sequence[Sequence[Arrived]], end_ns: int, bound_ns: int) -> dict[int, int]:
    """By source, its latest frame of the time that ends then."""
    group: dict[int, int] = {}
    for source, frames in enumerate(waiting):
        inside = [place for place, frame in enumerate(frames) if end_ns - bound_ns <= frame.time_ns <= end_ns]
        if inside:
            group[source] = inside[-1]
    return group
