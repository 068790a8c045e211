"""What every session promises. A backend's test class derives from SessionContract and says how to open it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeunet.board.fingerprint import fingerprint
from edgeunet.errors import FrameError, UsageError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.runtime import Session
from edgeunet_bench.guard.judging.facts import OF_THE_BACKEND
from tests.models import toy_mask, toy_spec

SIZE = (32, 48)


def frame_of(number: int, size: tuple[int, int] = SIZE) -> UInt8:
    """Noise; the toy model's mask of it is toy_mask(frame)."""
    return np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)


def plain(color: int, size: tuple[int, int]) -> UInt8:
    """All pixels of class `color` % 3 of the toy model."""
    frame = np.zeros((*size, 3), np.uint8)
    frame[..., color % 3] = 200
    return frame


class SessionContract(ABC):
    """Run against the toy model, for frames of 32×48, whose mask is known. spec: of the file that open() opens."""

    spec = toy_spec(SIZE)

    @abstractmethod
    def open(self, folder: Path) -> Session:
        """The toy model in this backend."""

    @pytest.fixture
    def session(self, tmp_path: Path) -> Session:
        return self.open(tmp_path)

    def test_the_mask_is_the_models(self, session: Session) -> None:
        result = session.run(frame_of(0))
        assert result.mask.dtype == np.uint8
        assert np.array_equal(result.mask, toy_mask(frame_of(0)))
        assert session.spec == self.spec

    def test_a_mask_is_the_callers_to_keep(self, session: Session) -> None:
        masks = [session.run(frame_of(k)).mask for k in range(5)]
        for k, mask in enumerate(masks):
            assert np.array_equal(mask, toy_mask(frame_of(k)))

    def test_frames_of_any_size_are_fitted(self, session: Session) -> None:
        for size in ((100, 200), (31, 17), SIZE, (480, 640)):
            frame = np.full((*size, 3), (9, 200, 30), np.uint8)
            result = session.run(frame)
            assert result.letterbox == Letterbox.of(size, session.spec)
            assert result.mask.shape == SIZE
            assert (session.segment(frame) == 1).all()
            assert session.segment(frame).shape == size

    def test_a_view_is_as_good_as_a_copy(self, session: Session) -> None:
        wide = frame_of(3, (32, 96))
        assert np.array_equal(session.run(wide[:, ::2]).mask, toy_mask(wide[:, ::2]))

    def test_submit_then_result(self, session: Session) -> None:
        for k in range(session.capacity):
            session.submit(frame_of(k))
        with pytest.raises(UsageError, match="wait already"):
            session.submit(frame_of(9))
        with pytest.raises(UsageError, match="wait already"):
            session.run(frame_of(9))
        for k in range(session.capacity):
            assert np.array_equal(session.result().mask, toy_mask(frame_of(k)))
        with pytest.raises(UsageError, match="submit one first"):
            session.result()

    def test_a_list_of_frames_gives_the_masks_of_each(self, session: Session) -> None:
        """As long as max_batch says, of frames of several sizes, again and again; a list of one is always taken."""
        sizes = ((100, 200), SIZE, (31, 17), (64, 96))
        for count in (*range(1, session.max_batch + 1), 1, session.max_batch):
            for round_ in range(3):  # a GPU replays a graph from the second on
                frames = [frame_of(10 * round_ + k, SIZE) if k == 0 else plain(k, sizes[k % 4]) for k in range(count)]
                results = session.run(frames)
                assert isinstance(results, list)
                assert [r.letterbox.frame_size for r in results] == [f.shape[:2] for f in frames]
                assert np.array_equal(results[0].mask, toy_mask(frames[0]))
                assert all((session.segment(f) == k % 3).all() for k, f in enumerate(frames) if k)
                for k, result in enumerate(results[1:], 1):
                    assert (result.letterbox.restore_mask(result.mask) == k % 3).all()

    def test_a_list_that_is_submitted_gives_its_results_in_order(self, session: Session) -> None:
        for _ in range(2):
            for k in range(session.capacity):
                session.submit([frame_of(10 * k + j) for j in range(session.max_batch)])
            for call in (session.run, session.submit):
                with pytest.raises(UsageError, match="wait already"):
                    call(frame_of(9))
            for k in range(session.capacity):
                for j in range(session.max_batch):
                    with pytest.raises(UsageError, match="wait already"):
                        session.run(frame_of(9))
                    assert np.array_equal(session.result().mask, toy_mask(frame_of(10 * k + j)))
            with pytest.raises(UsageError, match="submit one first"):
                session.result()

    def test_a_list_that_is_too_long_or_has_a_wrong_frame_is_refused_whole(self, session: Session) -> None:
        for call in (session.run, session.submit):
            for count in (0, session.max_batch + 1):
                with pytest.raises(UsageError, match=f"got a list of {count}"):
                    call([frame_of(k) for k in range(count)])
            with pytest.raises(FrameError):
                call([frame_of(0)] * (session.max_batch - 1) + [np.zeros((4, 4), np.uint8)])
        assert np.array_equal(session.run(frame_of(2)).mask, toy_mask(frame_of(2)))

    def test_a_large_frame_may_be_fitted_ahead(self, session: Session) -> None:
        """In any thread; where it lies in the mask is known of the frame itself."""
        assert session.fit_ahead(frame_of(0)) is None, "an ordinary one is fitted by the session"
        session.large = 100
        frames = [plain(1, (200, 100)), plain(2, (480, 640))][: session.max_batch]
        ahead = [session.fit_ahead(frame) for frame in frames]
        results = session.run([fitted for fitted in ahead if fitted is not None])
        assert [result.letterbox for result in results] == [Letterbox.of(f.shape[:2], session.spec) for f in frames]
        for color, result in enumerate(results, 1):
            assert (result.letterbox.restore_mask(result.mask) == color).all()

    def test_a_submitted_frame_may_be_reused(self, session: Session) -> None:
        frame = frame_of(1)
        session.submit(frame)
        frame[:] = 0
        assert np.array_equal(session.result().mask, toy_mask(frame_of(1)))

    def test_stages_are_timed(self, session: Session) -> None:
        times = session.run(frame_of(0)).times_ns
        assert {"fit", "infer"} <= set(times)
        assert all(value > 0 for value in times.values())

    @pytest.mark.parametrize(
        "wrong", [None, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 0, 3), np.uint8)]
    )
    def test_what_is_no_frame_is_refused_and_nothing_is_lost(self, session: Session, wrong: UInt8) -> None:
        for call in (session.run, session.submit):
            with pytest.raises(FrameError):
                call(wrong)
        assert np.array_equal(session.run(frame_of(2)).mask, toy_mask(frame_of(2)))

    def test_threads_take_turns(self, session: Session) -> None:
        """Eight threads, frames of several sizes: every caller gets the mask of its own frame."""
        sizes = [(32, 48), (64, 96), (16, 24)]
        start = threading.Barrier(8)

        def work(thread: int) -> None:
            start.wait()
            for k in range(20):
                color = (thread + k) % 3
                frame = np.zeros((*sizes[k % 3], 3), np.uint8)
                frame[..., color] = 255
                assert (session.run(frame).mask == color).all()

        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(work, t) for t in range(8)]:
                future.result()

    def test_it_says_what_it_is(self, session: Session) -> None:
        facts = session.describe()
        assert {"backend", "version", "device"} <= set(facts)
        assert all(facts.values())
        of_session = set(fingerprint(facts)) - set(fingerprint({})) - {"tiles"}  # which are the model's
        assert of_session <= OF_THE_BACKEND, "or the guard refuses to compare two backends"

    def test_closed_is_closed(self, session: Session) -> None:
        with session:
            session.submit(frame_of(0))
        session.close()
        for call in (session.run, session.submit):
            with pytest.raises(UsageError, match="closed"):
                call(frame_of(0))
        with pytest.raises(UsageError):
            session.result()
