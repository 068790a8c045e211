from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgeunet.camera.batching import batch_of
from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.session import Prediction, Session
from tests.models import toy_mask, toy_spec


class Timed(Session):
    """A session that says how long it took: `alone_ms` for one frame, and for each further one `more_ms`."""

    def __init__(self, alone_ms: float, more_ms: float, max_batch: int, fails: bool = False) -> None:
        super().__init__(toy_spec())
        self.max_batch = max_batch
        self.lengths: list[int] = []
        self._ms = alone_ms, more_ms
        self._fails = fails
        self._frames: list[Pixels] = []

    def describe(self) -> dict[str, str]:
        return {"backend": "timed", "version": "1", "device": "none"}

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        if self._fails and len(frames) > 1:
            raise GpuError("out of GPU memory")
        self.lengths.append(len(frames))
        self._frames = [letterbox.fit(frame) for frame, letterbox in zip(frames, letterboxes, strict=True)]

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        alone, more = self._ms
        infer_ns = round(1e6 * (alone + more * (len(self._frames) - 1)))
        return [Prediction(toy_mask(frame)) for frame in self._frames], {"infer": infer_ns}

    def _close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("more_ms", "sources", "paired", "batch"),
    [
        (1000, 4, False, 1),  # as on a CPU
        (900, 4, True, 1),  # within what the machine adds, when the fitting counts
        (500, 2, False, 1),  # the batch at work and the next take longer than two frames in turn
        (100, 4, False, 4),
        (500, 2, True, 2),  # two that come together are made sooner
    ],
)
def test_what_makes_masks_less_old_is_chosen(more_ms: float, sources: int, paired: bool, batch: int) -> None:
    notes: list[str] = []
    session = Timed(1000 if more_ms != 900 else 900, more_ms, max_batch=8)
    assert batch_of(session, sources, paired=paired, notify=notes.append) == batch
    (note,) = notes
    how = f"run as one batch of up to {batch}" if batch > 1 else "take turns"
    assert note.startswith(f"{sources} sources {how}: a frame takes ")
    assert f"a batch of {sources} " in note
    if batch > 1:
        assert set(session.lengths) == set(range(1, batch + 1)), "each length has run once"


def test_a_session_of_single_frames_is_not_measured() -> None:
    session, notes = Timed(1, 1, max_batch=1), list[str]()
    assert batch_of(session, 3, paired=True, notify=notes.append) == 1
    assert (session.lengths, notes) == ([], [])


def test_more_sources_than_a_batch_takes_are_reckoned_with_their_batches() -> None:
    """Four sources in two batches of 2: three times the batch, against four frames."""
    assert batch_of(Timed(1000, 100, max_batch=2), 4, paired=False, notify=print) == 2
    assert batch_of(Timed(1000, 600, max_batch=2), 4, paired=False, notify=print) == 1


def test_memory_that_is_short_for_a_batch_means_turns() -> None:
    notes: list[str] = []
    session = Timed(1000, 1, max_batch=4, fails=True)
    assert batch_of(session, 4, paired=False, notify=notes.append) == 1
    assert notes == ["4 sources take turns: out of GPU memory"]
