"""The latency record of a camera: how old each mask was when it was published, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.reader import Feed
from edgeunet.camera.statistics import MAX_SAMPLES
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet.runtime.run_metadata import run_metadata_of
from edgeunet.runtime.session import Session
from edgeunet.runtime.warm_up import WARM_UP


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
        subject=run_metadata_of(session),
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
