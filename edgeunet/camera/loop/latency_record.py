"""The latency record of a camera: how old each mask was when it was published, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.reader import SourceReader
from edgeunet.camera.state.mask_state import MaskState
from edgeunet.camera.statistics import MAX_SAMPLES
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet.runtime.run_metadata import run_metadata_of
from edgeunet.runtime.session import Session
from edgeunet.runtime.warm_up import WARM_UP


def record_of(
    readers: Sequence[SourceReader], session: Session, *, settled: bool, deadline_ms: float | None = None
) -> LatencyRecord:
    """The record of sources whose samples were kept, in the order of capture; "total" is the age of the mask.

    It is partial if a source has more masks than were kept. There must be at least one mask.
    """
    kept = [reader.statistics.samples() for reader in readers]
    columns = max((columns for columns, _ in kept), key=len)
    of = np.concatenate([np.full(len(rows), place) for place, (names, rows) in enumerate(kept) if names == columns])
    rows = np.concatenate([rows for names, rows in kept if names == columns])
    order = np.argsort(rows[:, 0], kind="stable")
    captured_ms, age_ms, *stages_ms = rows[order].T / 1e6
    dropped = [reader.dropped for reader in readers]
    several, live = len(readers) > 1, any(reader.source.live for reader in readers)
    return LatencyRecord(
        subject=run_metadata_of(session),
        machine=fingerprint(session.describe()),
        frames=", ".join(reader.name for reader in readers),
        mode="camera" if live else "file",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warmup_frames=WARM_UP,
        warmup_settled=settled,
        partial=any(reader.stats().published > MAX_SAMPLES for reader in readers),
        starts_ms=captured_ms - captured_ms[0],
        samples_ms={TOTAL: age_ms, **dict(zip(columns[2:], stages_ms, strict=True))},
        deadline_ms=deadline_ms,
        dropped=sum(dropped) if live else None,
        sources=tuple(reader.name for reader in readers) if several else (),
        source_of=tuple(of[order].tolist()) if several else (),
        dropped_of=tuple(dropped) if several and live else (),
        states={
            reader.name: {str(state): share for state in MaskState if (share := reader.stats().state.share(state))}
            for reader in readers
        },
    )
