from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import pytest

from edgeunet.camera.frame import Shot, Sink
from edgeunet.camera.sinks import background
from edgeunet.camera.sinks.background import CAPACITY, Background
from edgeunet.camera.state.mask_state import STARTING, StateReport
from edgeunet.errors import OutputError
from tests.camera.shots import shot_of

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Slow:
    """A sink that writes a frame only when the test lets it."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.threads: set[str] = set()
        self.writing = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def write(self, shot: Shot) -> None:
        self.writing.release()
        assert self.let.acquire(timeout=10)
        self.threads.add(threading.current_thread().name)
        self.numbers.append(shot.frame.number)


def fill(sink: Background, slow: Slow, count: int) -> None:
    """Write frame 0, wait until it is on its way, then write the others."""
    sink.write(shot_of(PICTURE))
    assert slow.writing.acquire(timeout=10)
    for number in range(1, count):
        sink.write(shot_of(PICTURE, number=number))


def test_a_live_source_never_waits_for_a_slow_sink() -> None:
    slow, said = Slow(), list[str]()
    with Background(nullcontext(slow), "--record", live=True, notify=said.append) as sink:
        fill(sink, slow, 10)  # comes back although nothing is written
        slow.let.release(10)
    assert slow.numbers == [0, *range(10 - CAPACITY, 10)]
    assert said == [f"--record left out {9 - CAPACITY} frames: it is too slow for the source"]
    assert slow.threads == {"edgeunet---record"}


class SlowWithStates(Slow):
    """Takes states too."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[Sequence[StateReport]] = []

    def write_states(self, reports: Sequence[StateReport]) -> None:
        self.reports.append(reports)


def test_states_reach_a_sink_that_takes_them_unless_frames_wait() -> None:
    slow, reports = SlowWithStates(), [StateReport("it", STARTING)]
    with Background(nullcontext(slow), "--jsonl", live=True, notify=list[str]().append) as sink:
        fill(sink, slow, 1)
        sink.write_states(reports)
        for number in range(1, CAPACITY):
            sink.write(shot_of(PICTURE, number=number))
        sink.write_states([])  # there is no room
        slow.let.release(CAPACITY)
    assert (slow.numbers, slow.reports) == ([*range(CAPACITY)], [reports])
    with Background(nullcontext(Slow()), "--record", live=True, notify=list[str]().append) as sink:
        sink.write_states(reports)  # it does not take them


def test_a_sink_that_failed_with_states_raises_its_error_once() -> None:
    class Full(Slow):
        def write_states(self, reports: Sequence[StateReport]) -> None:
            raise OutputError("the disk is full")

    def write_all(sink: Background) -> None:
        for _ in range(1000):
            sink.write_states([])
            time.sleep(0.01)

    sink = Background(nullcontext(Full()), "--jsonl", live=True, notify=list[str]().append)
    with pytest.raises(OutputError, match="the disk is full"), sink:
        write_all(sink)


def test_a_file_waits_and_loses_nothing() -> None:
    slow, said = Slow(), list[str]()
    with Background(nullcontext(slow), "--record", live=False, notify=said.append) as sink:
        fill(sink, slow, 1 + CAPACITY)
        last = threading.Thread(target=sink.write, args=(shot_of(PICTURE, number=99),))
        last.start()
        last.join(0.05)
        assert last.is_alive()  # there is no room
        slow.let.release(10)
        last.join(10)
    assert slow.numbers == [*range(1 + CAPACITY), 99]
    assert said == []


class Full:
    def __init__(self, after: int) -> None:
        self.after = after
        self.failed = threading.Event()

    def write(self, shot: Shot) -> None:
        if shot.frame.number == self.after:
            self.failed.set()
            raise OutputError("the disk is full")


def test_an_error_is_raised_once_by_the_next_write() -> None:
    full = Full(after=0)
    with Background(nullcontext(full), "--record", live=False, notify=list[str]().append) as sink:
        sink.write(shot_of(PICTURE))
        assert full.failed.wait(10)
        sink._thread.join(10)
        with pytest.raises(OutputError, match="the disk is full"):
            sink.write(shot_of(PICTURE, number=1))
        sink.write(shot_of(PICTURE, number=2))


def test_an_error_with_the_last_frame_is_raised_at_the_end() -> None:
    with (
        pytest.raises(OutputError, match="the disk is full"),
        Background(nullcontext(Full(after=0)), "--record", live=False, notify=list[str]().append) as sink,
    ):
        sink.write(shot_of(PICTURE))


class ReadOnly(nullcontext[Sink]):
    def __enter__(self) -> Sink:
        raise OutputError("the folder is read-only")


def test_an_error_at_the_beginning_is_raised_at_the_beginning() -> None:
    with (
        pytest.raises(OutputError, match="read-only"),
        Background(ReadOnly(Full(after=0)), "--record", live=False, notify=list[str]().append),
    ):
        pytest.fail("entered")


def test_a_sink_that_hangs_does_not_keep_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "STUCK_S", 0.05)
    slow = Slow()
    with (
        pytest.raises(OutputError, match="--record hangs: its last frames are not written"),
        Background(nullcontext(slow), "--record", live=True, notify=list[str]().append) as sink,
    ):
        fill(sink, slow, 2)
    slow.let.release(10)
    sink._thread.join(10)
    assert not sink._thread.is_alive()
