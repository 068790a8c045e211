"""What the loop has done with one source: counts, frame age, the time of each stage."""

from __future__ import annotations

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
from edgeunet.camera.histogram import EMPTY, Histogram, Quantiles

RECENT = 30  # masks that the shown rate and age are taken from
SILENCE_NS = 1_000_000_000  # from then on the shown rate falls while nothing comes
MAX_SAMPLES = 200_000  # that are kept for a latency record: almost two hours at 30 frames a second, 8 MB


@dataclass(frozen=True)
class LoopStats:
    """What the loop has done with one source so far.

    total: masks there will be in the end, None if there is no end or nobody knows.
    read: frames the source gave. published: masks made. dropped: frames of a live source that a newer one
    replaced before inference. failed: inferences that raised. The rest was on its way when the loop was stopped.
    corrupt: frames that could not be decoded; reconnects: how often the source was opened again.
    misses: masks older than the deadline when they were published; longest_miss: most of them in a row.
    age: from capture to published mask. jitter: by how much the time between two masks differs from the one before.
    stages: each stage's durations: "read", "wait" (from capture to inference), the session's own ("fit", "infer"),
    "draw", "write".
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
    recent_fps: float = 0.0  # masks a second over the latest frames
    recent_age_ms: float = 0.0  # median of the latest frames
    age: Quantiles = EMPTY
    jitter: Quantiles = EMPTY
    stages: Mapping[str, Quantiles] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Masks a second over the whole time."""
        return self.published / self.wall_s if self.wall_s > 0 else 0.0


@dataclass(frozen=True)
class FallbackStats:
    """models: in the order of preference. current: the name of the one in use. switches: how many, by cause."""

    models: tuple[str, ...]
    current: str
    switches: Mapping[str, int]


class Statistics:
    """Counts one source's frames; the threads of the loop may do so at the same time."""

    def __init__(self, deadline_ns: int | None = None, *, keep_samples: bool = False) -> None:
        """keep_samples: also keep each mask's times, for a latency record."""
        self._deadline_ns = deadline_ns
        self._keep = keep_samples
        self._lock = threading.Lock()
        self._read = self._published = self._failed = self._misses = self._streak = self._longest = 0
        self._age, self._jitter = Histogram(), Histogram()
        self._stages: dict[str, Histogram] = {}
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
        """The source gave a frame."""
        with self._lock:
            self._read += 1
            self._time("read", read_ns)

    def published(self, frame: Frame, now_ns: int, stages_ns: Mapping[str, int]) -> int:
        """A mask is there; gives how many there are. stages_ns: from capture to the mask, in order."""
        age_ns = now_ns - frame.captured_ns
        with self._lock:
            self._published += 1
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
        """A mask was drawn and given to the sinks."""
        with self._lock:
            self._time("draw", draw_ns)
            self._time("write", write_ns)

    def recent(self) -> tuple[float, float]:
        """Masks a second, and their median age in ms, over the latest frames."""
        with self._lock:
            return self._recently(time.perf_counter_ns())

    def snapshot(
        self, *, total: int | None = None, dropped: int = 0, corrupt: int = 0, reconnects: int = 0
    ) -> LoopStats:
        """The figures so far, with those that only the feed knows."""
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
            histogram = self._stages[stage] = Histogram()
        histogram.add(duration_ns)
