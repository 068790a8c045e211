"""Whose frames are next, with real queues; how long one waits at most, in virtual time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.camera import frame_queue
from edgeunet.camera.frame import Frame
from edgeunet.camera.frame_queue import FrameQueue
from edgeunet.camera.loop import turns as turns_module
from edgeunet.camera.loop.turns import PairedTurns, Turn, Turns

PIXELS = np.zeros((2, 2, 3), np.uint8)
MS = 1_000_000


def frame(number: int, captured_ns: int = 0) -> Frame:
    return Frame(PIXELS, number, captured_ns, 0)


def queues_of(count: int, *, newest: bool = True, capacity: int = 1) -> tuple[list[FrameQueue[Frame]], Turns]:
    changed = threading.Condition()
    queues: list[FrameQueue[Frame]] = [FrameQueue(capacity, newest=newest, changed=changed) for _ in range(count)]
    return queues, Turns(queues, changed)


def taken(turns: list[Turn]) -> list[tuple[int, int]]:
    return [(turn.source, turn.frame.number) for turn in turns]


def test_the_source_that_has_waited_longest_is_next() -> None:
    queues, turns = queues_of(3)
    for source in (2, 0, 1):
        queues[source].put(frame(0))
    queues[2].put(frame(1))  # a newer frame of the same source keeps its place
    order = [taken(turns.take(wait=False)) for _ in range(4)]
    assert order == [[(2, 1)], [(0, 0)], [(1, 0)], []]


def test_frames_of_different_sources_are_taken_together_in_the_order_of_the_sources() -> None:
    queues, turns = queues_of(3, newest=False, capacity=2)
    for source in (2, 1, 2, 0):
        queues[source].put(frame(queues[source].last_ns != 0))
    assert taken(turns.take(2, wait=False)) == [(1, 0), (2, 0)]
    assert taken(turns.take(5, wait=False)) == [(0, 0), (2, 1)], "never two of one source"


def test_a_source_whose_mask_could_not_be_handed_on_waits() -> None:
    queues, _ = queues_of(2)
    changed, ready = threading.Condition(), {0: False, 1: True}
    queues = [FrameQueue(newest=True, changed=changed) for _ in range(2)]
    turns = Turns(queues, changed, ready.__getitem__)
    queues[0].put(frame(0))
    queues[1].put(frame(1))
    assert taken(turns.take(2, wait=False)) == [(1, 1)]
    for queue in queues:
        queue.close()
    found: list[Turn] = []
    consumer = threading.Thread(target=lambda: found.extend(turns.take()))
    consumer.start()
    ready[0] = True
    with changed:
        changed.notify_all()
    consumer.join(10)
    assert taken(found) == [(0, 0)]
    assert turns.take() == []


def test_turns_wait_for_any_source_and_end_with_the_last_one() -> None:
    queues, turns = queues_of(2, newest=False)
    found: list[list[Turn]] = []
    consumer = threading.Thread(target=lambda: found.extend(turns.take() for _ in range(3)))
    consumer.start()
    queues[0].close()
    for number in (4, 5):
        assert queues[1].put(frame(number))
    queues[1].close()
    consumer.join(10)
    assert [taken(turn) for turn in found] == [[(1, 4)], [(1, 5)], []]


class VirtualTime:
    """Stands in for the module `time` in the files under test."""

    now_ns = 1

    def perf_counter_ns(self) -> int:
        return self.now_ns


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    virtual = VirtualTime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_queue, "time", virtual)
        patch.setattr(turns_module, "time", virtual)
        yield virtual


@settings(max_examples=150, deadline=None)
@given(
    periods=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    service=st.integers(1, 20),
    phases=st.lists(st.integers(0, 40), min_size=5, max_size=5),
)
def test_no_source_waits_for_more_than_one_turn_of_each_other(
    periods: list[int], service: int, phases: list[int]
) -> None:
    """Cameras of any rate, some of which flood, at a session of any speed.

    It waits since its first frame after its last turn, or since that turn was over.
    """
    with virtual_time() as virtual:
        queues, turns = queues_of(len(periods))
        due = [phase * MS + 1 for phase in phases[: len(periods)]]
        since: dict[int, int] = {}
        free_ns, worked, worst_ns = 0, -1, 0
        for _ in range(400):
            arrival = min(range(len(due)), key=due.__getitem__)
            if due[arrival] <= free_ns:
                virtual.now_ns = max(virtual.now_ns, due[arrival])
                since.setdefault(arrival, free_ns if arrival == worked else due[arrival])
                queues[arrival].put(frame(0, due[arrival]))
                due[arrival] += periods[arrival] * MS
                continue
            virtual.now_ns = max(virtual.now_ns, free_ns)
            found = turns.take(wait=False)
            if not found:
                free_ns, worked = due[arrival], -1
                continue
            worked = found[0].source
            worst_ns = max(worst_ns, virtual.now_ns - since.pop(worked))
            free_ns = virtual.now_ns + service * MS
        assert worst_ns <= (len(periods) - 1) * service * MS


@settings(max_examples=150, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=60),
    bound=st.integers(1, 20),
    service=st.integers(0, 25),
)
def test_paired_frames_are_close_and_no_frame_waits_longer_than_the_bound(
    gaps: list[tuple[int, int]], bound: int, service: int
) -> None:
    with virtual_time() as virtual:
        changed = threading.Condition()
        queues: list[FrameQueue[Frame]] = [FrameQueue(4, newest=True, changed=changed) for _ in range(3)]
        turns = PairedTurns(
            queues, changed, lambda index: True, bound_ns=bound * MS, live=True, time_of=lambda _, f: f.captured_ns
        )
        groups: list[int] = []
        published: list[list[int]] = [[], [], []]
        read = 0
        events = []
        at = 1
        for source, gap in gaps:
            at += gap * MS
            events.append((at, source))
        free_ns = 1
        while events or any(queue.waiting() for queue in queues):
            while events and events[0][0] <= virtual.now_ns:
                when, source = events.pop(0)
                queues[source].put(frame(read, when))
                read += 1
            if virtual.now_ns >= free_ns and (found := turns.take(wait=False)):
                times = [turn.frame.captured_ns for turn in found]
                assert max(times) - min(times) <= bound * MS
                numbers = {turn.group for turn in found}
                assert len(numbers) == 1
                assert (len(found) > 1) == (numbers != {None})
                assert all(turn.unpaired == (len(found) < 3) for turn in found)
                groups += [number for number in numbers if number is not None]
                for turn in found:
                    published[turn.source].append(turn.frame.captured_ns)
                free_ns = virtual.now_ns + service * MS
            if virtual.now_ns >= free_ns:
                for queue in queues:  # the session is free: what still waits has not yet done so for the bound
                    assert all(virtual.now_ns - arrived < bound * MS for arrived, _ in queue.waiting())
            virtual.now_ns += MS
        assert all(a < b for a, b in pairwise(groups)), "each group has a number of its own"
        assert all(a <= b for times in published for a, b in pairwise(times)), "time goes on"
        assert sum(len(times) for times in published) + sum(queue.dropped for queue in queues) == read
