"""The latency record of a camera: how old each mask was when it was published, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.feed import Feed
from edgeunet.camera.statistics import MAX_SAMPLES
from edgeunet.record import TOTAL, LatencyRecord
from edgeunet.runtime.session import Session
from edgeunet.runtime.subject import subject_of

WARM_UP = 3  # frames; by then memory is allocated and kernels are chosen
SETTLED = 1.05  # ratio of the last two of them


def warm_up(session: Session) -> bool:
    """Run blank frames, so that the first mask is not late; whether the time had settled by then."""
    blank = np.zeros((*session.spec.input_size, 3), np.uint8)
    *_, before, last = (sum(session.run(blank).times_ns.values()) for _ in range(WARM_UP))
    return max(before, last) <= SETTLED * min(before, last)


def record_of(
    feeds: Sequence[Feed], session: Session, model: Path, *, settled: bool, deadline_ms: float | None = None
) -> LatencyRecord:
    """The record of sources whose samples were kept, in the order of capture; "total" is the age of the mask.

    It is partial if a source has more masks than are kept. There must be at least one mask.
    """
    kept = [feed.statistics.samples() for feed in feeds]
    columns = max((columns for columns, _ in kept), key=len)
    rows = np.concatenate([rows for names, rows in kept if names == columns])
    times_ms = rows[np.argsort(rows[:, 0], kind="stable")].T / 1e6
    captured_ms, age_ms, *stages_ms = times_ms
    live = any(feed.source.live for feed in feeds)
    return LatencyRecord(
        subject=subject_of(session, model),
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
    )
