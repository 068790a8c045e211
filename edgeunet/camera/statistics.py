"""The figures of one source: counts, frame age, the time of each stage."""

from __future__ import annotations

import math
import threading
import time
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edgeunet.camera.frame import Frame
from edgeunet.camera.state.mask_state import StateStats

RECENT = 30  # masks: of the rate and age that are shown
SILENCE_NS = 1_000_000_000  # without a mask, and the rate shown falls
MAX_SAMPLES = 200_000  # kept for a latency record: almost two hours at 30 fps, 8 MB
BITS = 7  # a bucket is at most 1/128 of its value wide: 0.8 %
LARGEST_NS = (1 << 45) - 1  # almost 10 hours; longer durations count as this
_BUCKETS = (LARGEST_NS.bit_length() - BITS + 1) << BITS


@dataclass(frozen=True)
class Quantiles:
    """Of many durations, in nanoseconds; all zero if there is none.

    A quantile is the smallest duration that at least this share does not exceed, 0.8 % too large at most.
    """

    count: int = 0
    total_ns: int = 0
    p50_ns: int = 0
    p90_ns: int = 0
    p99_ns: int = 0
    max_ns: int = 0


EMPTY = Quantiles()


class LatencyHistogram:
    """Running quantiles of durations in little memory, for a loop that never ends. Not thread-safe.

    The buckets are those of an HDR histogram (Gil Tene, hdrhistogram.org): as fine in proportion at 1 ms as at 1 s. The
    PyPI package hdrhistogram is C without a wheel for aarch64, so a board would have to compile it.
    """

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BUCKETS))
        self._total_ns = self._max_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration; a negative one counts as 0."""
        value = min(max(0, duration_ns), LARGEST_NS)
        shift = max(0, value.bit_length() - BITS - 1)
        self._counts[(shift << BITS) + (value >> shift)] += 1
        self._total_ns += value
        self._max_ns = max(self._max_ns, value)

    def quantiles(self) -> Quantiles:
        """Of all durations so far."""
        up_to = np.cumsum(np.frombuffer(self._counts, np.uint64))
        count = int(up_to[-1])
        if count == 0:
            return EMPTY
        ranks = [math.ceil(count * p - 1e-9) for p in (0.5, 0.9, 0.99)]
        p50, p90, p99 = (min(_largest_in(int(b)), self._max_ns) for b in np.searchsorted(up_to, ranks))
        return Quantiles(count, self._total_ns, p50, p90, p99, self._max_ns)


def _largest_in(bucket: int) -> int:
    shift = max(0, (bucket >> BITS) - 1)
    return ((bucket - (shift << BITS) + 1) << shift) - 1


@dataclass(frozen=True)
class LoopStats:
    """The figures of one source so far.

    total: masks there will be at the end, None if unknown or endless. read: frames read from the source. published:
    masks made. dropped: frames of a live source that a newer one replaced before inference. failed: inferences that
    raised. corrupt: frames that could not be decoded. reconnects: how often the source was opened again. misses:
    masks older than the deadline when published; longest_miss: most of them in a row. recent_fps, recent_age_ms:
    over the latest masks; the age is the median. age: from capture to published mask. jitter: change of the time
    between two masks. stages: durations of "read", "wait" (from capture to inference), the session's own stages
    ("fit", "infer"), "draw", "write". state: how far to trust its masks. unpaired: masks of
    frames without one of every other source that belongs to it, where frames are paired. Frames that were read but
    neither published, dropped nor failed were on their way when the loop was stopped.
    """

    total: int | None = None
    read: int = 0
    published: int = 0
    dropped: int = 0
    failed: int = 0
    corrupt: int = 0
    reconnects: int = 0
    misses: int = 0
    longest_miss: int = 0
    wall_s: float = 0.0
    recent_fps: float = 0.0
    recent_age_ms: float = 0.0
    age: Quantiles = EMPTY
    jitter: Quantiles = EMPTY
    stages: Mapping[str, Quantiles] = field(default_factory=dict)
    state: StateStats = field(default_factory=StateStats)
    unpaired: int = 0

    @property
    def fps(self) -> float:
        """Masks per second over the whole time."""
        return self.published / self.wall_s if self.wall_s > 0 else 0.0


@dataclass(frozen=True)
class FallbackStats:
    """models: in the order of preference. current: the model in use. switches: how many, by cause."""

    models: tuple[str, ...]
    current: str
    switches: Mapping[str, int]


class Statistics:
    """Counts one source's frames; for all threads of the loop."""

    def __init__(self, deadline_ns: int | None = None, *, keep_samples: bool = False) -> None:
        """keep_samples: also keep each mask's times, for a latency record."""
        self._deadline_ns = deadline_ns
        self._keep = keep_samples
        self._lock = threading.Lock()
        self._unpaired = 0
        self._read = self._published = self._failed = self._misses = self._streak = self._longest = 0
        self._age, self._jitter = LatencyHistogram(), LatencyHistogram()
        self._stages: dict[str, LatencyHistogram] = {}
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT + 1)  # (published, age) in ns
        self._interval_ns = 0
        self._samples = array("q")  # rows of captured_ns, age_ns, and the stages of `_columns`
        self._columns: tuple[str, ...] = ()
        self._begin_ns = time.perf_counter_ns()
        self._end_ns = 0

    def begin(self) -> None:
        """The clock starts."""
        self._begin_ns = time.perf_counter_ns()

    def end(self) -> None:
        """The clock stops."""
        self._end_ns = time.perf_counter_ns()

    def read(self, read_ns: int) -> None:
        """A frame was read."""
        with self._lock:
            self._read += 1
            self._time("read", read_ns)

    def published(self, frame: Frame, now_ns: int, stages_ns: Mapping[str, int], *, unpaired: bool = False) -> int:
        """A mask is made; returns how many there are. stages_ns: from capture to the mask, in order.

        unpaired: whether frames are paired, and other sources have none for this one.
        """
        age_ns = now_ns - frame.captured_ns
        with self._lock:
            self._published += 1
            self._unpaired += unpaired
            self._age.add(age_ns)
            for stage, duration in stages_ns.items():
                self._time(stage, duration)
            if self._recent:
                interval_ns = now_ns - self._recent[-1][0]
                if self._interval_ns:
                    self._jitter.add(abs(interval_ns - self._interval_ns))
                self._interval_ns = interval_ns
            self._recent.append((now_ns, age_ns))
            late = self._deadline_ns is not None and age_ns > self._deadline_ns
            self._misses += late
            self._streak = self._streak + 1 if late else 0
            self._longest = max(self._longest, self._streak)
            if self._keep and self._published <= MAX_SAMPLES:
                self._columns = tuple(stages_ns)
                self._samples.extend((frame.captured_ns, age_ns, *stages_ns.values()))
            return self._published

    def failed(self) -> None:
        """An inference raised."""
        with self._lock:
            self._failed += 1

    def drawn(self, draw_ns: int, write_ns: int) -> None:
        """A mask was drawn and written to the sinks."""
        with self._lock:
            self._time("draw", draw_ns)
            self._time("write", write_ns)

    def recent(self) -> tuple[float, float]:
        """fps, and the median age in ms, of the latest masks."""
        with self._lock:
            return self._recently(time.perf_counter_ns())

    def snapshot(
        self,
        *,
        total: int | None = None,
        dropped: int = 0,
        corrupt: int = 0,
        reconnects: int = 0,
        state: StateStats = StateStats(),  # noqa: B008 - it cannot be changed
    ) -> LoopStats:
        """The figures so far, with those that only the reader knows."""
        with self._lock:
            now = self._end_ns or time.perf_counter_ns()
            fps, age_ms = self._recently(now)
            return LoopStats(
                total,
                self._read,
                self._published,
                dropped,
                self._failed,
                corrupt,
                reconnects,
                self._misses,
                self._longest,
                (now - self._begin_ns) / 1e9,
                fps,
                age_ms,
                self._age.quantiles(),
                self._jitter.quantiles(),
                {stage: histogram.quantiles() for stage, histogram in self._stages.items()},
                state,
                self._unpaired,
            )

    def samples(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """The names of n columns and int64 [masks, n]: "captured", "age" and the stages, in ns."""
        with self._lock:
            columns = ("captured", "age", *self._columns)
            return columns, np.array(self._samples, np.int64).reshape(-1, len(columns))

    def _recently(self, now_ns: int) -> tuple[float, float]:
        if not self._recent:
            return 0.0, 0.0
        first, last = self._recent[0][0], self._recent[-1][0]
        end = now_ns if not self._end_ns and now_ns - last > SILENCE_NS else last
        fps = (len(self._recent) - 1) * 1e9 / (end - first) if end > first else 0.0
        return fps, median(age for _, age in self._recent) / 1e6

    def _time(self, stage: str, duration_ns: int) -> None:
        histogram = self._stages.get(stage)
        if histogram is None:
            histogram = self._stages[stage] = LatencyHistogram()
        histogram.add(duration_ns)
