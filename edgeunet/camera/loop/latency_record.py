"""The latency record of a camera: how old each mask was when it was published, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.reader import Feed
from edgeunet.camera.statistics import MAX_SAMPLES
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet.runtime.run_metadata import subject_of
from edgeunet.runtime.session import Session

WARM_UP = 3  # frames; by then memory is allocated and kernels are chosen
SETTLED = 1.05  # ratio of the last two of them


class Warmth(NamedTuple):
    """How the first frames went. settled: whether their time had come to rest. slowest_s: the longest of them took."""

    settled: bool
    slowest_s: float


def warm_up(session: Session) -> Warmth:
    """Run blank frames, so that the first mask is not late."""
    blank = np.zeros((*session.spec.input_size, 3), np.uint8)
    times_ns = [sum(session.run(blank).times_ns.values()) for _ in range(WARM_UP)]
    before, last = times_ns[-2:]
    return Warmth(max(before, last) <= SETTLED * min(before, last), max(times_ns) / 1e9)


def record_of(
    feeds: Sequence[Feed], session: Session, *, settled: bool, deadline_ms: float | None = None
) -> LatencyRecord:
    """The record of sources whose samples were kept, in the order of capture; "total" is the age of the mask.

    It is partial if a source has more masks than are kept. There must be at least one mask.
    """
    kept = [feed.statistics.samples() for feed in feeds]
    columns = max((columns for columns, _ in kept), key=len)
    of = np.concatenate([np.full(len(rows), place) for place, (names, rows) in enumerate(kept) if names == columns])
    rows = np.concatenate([rows for names, rows in kept if names == columns])
    order = np.argsort(rows[:, 0], kind="stable")
    captured_ms, age_ms, *stages_ms = rows[order].T / 1e6
    several, live = len(feeds) > 1, any(feed.source.live for feed in feeds)
    return LatencyRecord(
        subject=subject_of(session),
        machine=fingerprint(session.describe()),
        frames=", ".join(feed.name for feed in feeds),
        mode="camera" if live else "file",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warmup_frames=WARM_UP,
        warmup_settled=settled,
        partial=any(feed.stats().published > MAX_SAMPLES for feed in feeds),
        starts_ms=captured_ms - captured_ms[0],
        samples_ms={TOTAL: age_ms, **dict(zip(columns[2:], stages_ms, strict=True))},
        deadline_ms=deadline_ms,
        dropped=sum(feed.stats().dropped for feed in feeds) if live else None,
        sources=tuple(feed.name for feed in feeds) if several else (),
        source_of=tuple(of[order].tolist()) if several else (),
    )
