from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.loop.reader import SourceReader
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.state.mask_state import MaskState
from edgeunet.camera.state.picture_check import PictureCheck
from edgeunet.camera.state.tracker import StateTracker
from edgeunet.camera.statistics import FallbackStats, Statistics
from edgeunet.camera.switching import fallback_policy as fallback_policy
from edgeunet.camera.switching.fallback_policy import FallbackPolicy, Switch
from edgeunet.camera.switching.fallback_session import FallbackModel, FallbackSession, open_fallbacks
from edgeunet.errors import MismatchError, ModelFileError, UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.overlay import Overlay
from edgeunet.runtime import Result, Session, open_session
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.spec import ModelSpec
from tests.camera.videos import Collector, FakeCamera, number_of, numbered, write_numbered
from tests.models import TRUST, toy_mask, toy_spec, write_toy_model
from tests.runtime.session_contract import SessionContract, frame_of

NO_TIME_MS = 1e-6  # a deadline that every mask misses: each two masks the next model takes over
SIZES = ((32, 48), (64, 32), (16, 24))


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """Three networks of different input sizes, the preferred one first."""
    return [
        write_toy_model(tmp_path / f"{name}.onnx", toy_spec(size))
        for name, size in zip(("big", "middle", "small"), SIZES, strict=True)
    ]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first mask counts already."""
    monkeypatch.setattr(fallback_policy, "START_NS", 0)


def opened(
    models: Sequence[Path], deadline_ms: float, notes: list[str] | None = None, **options: int
) -> FallbackSession:
    return open_fallbacks(
        models,
        lambda path: open_session(path, backend="onnxruntime", **options),
        deadline_ms,
        silent if notes is None else notes.append,
    )


def silent(line: str) -> None: ...


def frame_at(captured_ns: int) -> Frame:
    return Frame(numbered(0), 0, captured_ns, 0)


class TestFallbackSession(SessionContract):
    """Until it switches, it is a session as any other."""

    def open(self, folder: Path) -> Session:
        return opened([write_toy_model(folder / f"{name}.onnx") for name in "ab"], 1e6, in_flight=2)


class TestBatches(SessionContract):
    """Two models that both take lists."""

    def open(self, folder: Path) -> Session:
        return opened([write_toy_model(folder / f"{name}.onnx", batch="N") for name in "ab"], 1e6, batch=3)


@pytest.mark.usefixtures("at_once", "no_thread_is_left")
@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_every_frame_of_a_file_is_published_in_order_while_models_change(
    tmp_path: Path, models: list[Path], in_flight: int
) -> None:
    out, notes = Collector(), list[str]()
    with opened(models, NO_TIME_MS, notes, in_flight=in_flight) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 40)))
        loop = Loop(session, {"it": source}, [nullcontext(out)], LoopOptions(0.0), observe=session.observe)
        loop.start()
        stats = loop.finish()["it"]
        assert session.stats() == FallbackStats(
            ("big.onnx", "middle.onnx", "small.onnx"), "small.onnx", {"deadline": 2, "throttling": 0, "fits": 0}
        )
    assert out.numbers == list(range(40))
    assert (stats.published, stats.failed, stats.dropped) == (40, 0, 0)
    made_by = [shot.result.model for shot in out.shots]
    assert made_by == sorted(made_by)  # big, middle, small
    assert set(made_by) == {"big.onnx", "middle.onnx", "small.onnx"}
    for shot in out.shots:
        assert shot.result.mask.shape == dict(zip(session.stats().models, SIZES, strict=True))[shot.result.model]
        assert shot.result.letterbox.restore_mask(shot.result.mask).shape == shot.frame.pixels.shape[:2]
    assert [note.partition(":")[0] for note in notes if "takes over" in note] == [
        "middle.onnx takes over from big.onnx",
        "small.onnx takes over from middle.onnx",
    ]


def test_the_overlay_names_the_model_that_made_the_mask() -> None:
    spec, camera = toy_spec(), FakeCamera()
    reader = SourceReader(
        camera,
        "it",
        Overlay(spec, 0.0),
        Statistics(),
        StateTracker("it", live=True),
        PictureCheck(),
        max_frames=None,
        changed=threading.Condition(),
    )
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 0, 0, 0)
    result = Result(np.zeros(spec.input_size, np.uint8), {}, Letterbox.of((480, 640), spec))
    models = ("", "big.onnx", "tiny.onnx", "big.onnx")
    drawn = [
        reader.draw(frame, replace(result, model=name), MaskState.FRESH, legend=True, plain=False)[0] for name in models
    ]
    heights = [np.flatnonzero(picture.any(axis=(1, 2)))[-1] for picture in drawn]
    assert heights[1] == heights[2] > heights[0] + 10  # one more line of text
    assert (drawn[1] != drawn[2]).any()
    assert (drawn[1] == drawn[3]).all()


@pytest.mark.usefixtures("no_thread_is_left")
class AtOnce(FallbackPolicy):
    """Takes the third model after any mask."""

    def judge(self, captured_ns: int, now_ns: int) -> Switch | None:
        self.current = 2
        return Switch(2, "deadline", "the test wants it")


def test_what_the_old_model_has_taken_comes_back_first_and_from_it(models: list[Path]) -> None:
    fallbacks = [FallbackModel(path.name, open_session(path, backend="onnxruntime", in_flight=3)) for path in models]
    with FallbackSession(fallbacks, AtOnce((1, 1, 1), 1), silent) as session:
        colors = np.eye(3, dtype=np.uint8) * 200
        pictures = [np.full((60, 90, 3), color, np.uint8) for color in colors]
        session.submit(pictures[0])
        session.submit(pictures[1])
        session.observe(frame_at(0), 1)
        assert session.spec.input_size == SIZES[2]
        session.submit(pictures[2])
        results = [session.result() for _ in pictures]
    assert [r.model for r in results] == ["big.onnx", "big.onnx", "small.onnx"]
    for index, (result, size) in enumerate(zip(results, (SIZES[0], SIZES[0], SIZES[2]), strict=True)):
        assert result.letterbox == Letterbox.of((60, 90), toy_spec(size))
        assert (result.letterbox.restore_mask(result.mask) == index).all()


def test_a_mask_is_judged_by_the_floors_of_the_model_that_made_it(models: list[Path]) -> None:
    write_toy_model(models[0], toy_spec(SIZES[0]), trust=True)
    fallbacks = [FallbackModel(path.name, open_session(path, backend="onnxruntime", in_flight=2)) for path in models]
    with FallbackSession(fallbacks, AtOnce((1, 1, 1), 1), silent) as session:
        session.submit(frame_of(0))
        session.observe(frame_at(0), 1)
        session.submit(frame_of(1))
        assert session.spec.trust is None
        assert session.result().confidence is not None
        assert session.trust == TRUST
        assert session.result().confidence is None
        assert session.trust is None


def test_a_frame_that_was_fitted_for_another_model_is_fitted_once_more(models: list[Path]) -> None:
    with opened(models, 1e6) as session:
        assert session.large == OnnxRuntimeSession.large
        session.large = 0
        frame = np.full((60, 90, 3), (0, 200, 0), np.uint8)
        ahead = session.fit_ahead(frame)
        assert ahead is not None
        session.spec = session._models[2].session.spec
        session._current = session._models[2]
        result = session.run(ahead)
    assert result.mask.shape == SIZES[2]
    assert result.letterbox == Letterbox.of((60, 90), toy_spec(SIZES[2]))
    assert (result.letterbox.restore_mask(result.mask) == 1).all()


class LoadedSession(OnnxRuntimeSession):
    """A real model on a machine under load: while the test says so, each frame takes 0.3 s longer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.loaded = threading.Event()

    def _infer(self, slot: object) -> int:
        if self.loaded.is_set():
            threading.Event().wait(0.3)
        return super()._infer(slot)  # type: ignore[arg-type]


@pytest.mark.usefixtures("at_once", "no_thread_is_left")
def test_a_camera_steps_down_under_load_and_is_back_when_it_is_over(
    models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback_policy, "STAY_NS", 0)
    monkeypatch.setattr(fallback_policy, "WINDOW", 10)
    sessions = {path: LoadedSession(path) for path in models[:2]}
    camera, out, notes = FakeCamera(), Collector(), list[str]()
    with open_fallbacks(models[:2], sessions.__getitem__, 250, notes.append) as session:
        loop = Loop(session, {"it": camera}, [nullcontext(out)], LoopOptions(0.0), observe=session.observe)
        loop.start()
        shown = 0

        def show_until(current: str) -> None:
            nonlocal shown
            while session.stats().current != current:
                camera.show(numbered(shown % 256))
                shown += 1

        camera.show(numbered(255))
        sessions[models[0]].loaded.set()
        show_until("middle.onnx")
        sessions[models[0]].loaded.clear()
        show_until("big.onnx")
        camera.show(numbered(254))
        camera.show(None)
        stats = loop.finish()["it"]
    assert stats.failed == 0
    assert stats.published + stats.dropped == stats.read == shown + 2
    captured = [shot.frame.number for shot in out.shots]
    assert captured == sorted(set(captured))
    assert any("middle.onnx takes over from big.onnx: " in note for note in notes)
    assert "big.onnx takes over from middle.onnx: its p99 is expected at" in notes[-1]
    assert session.stats().switches["fits"] >= 1


def test_cameras_share_batches_in_each_model_that_allows(tmp_path: Path) -> None:
    n, one = (write_toy_model(tmp_path / f"{b}.onnx", batch=b) for b in ("N", 1))
    with opened([n, tmp_path / "N.onnx"], 1e6, batch=2) as session:
        assert (session.max_batch, session.capacity) == (2, 1)
    with opened([n, one], 1e6, batch=2) as session:
        assert (session.max_batch, session.capacity) == (1, 1)
        for number in range(3):  # one at a time in the model of batches too
            session.submit(frame_of(number))
            assert session.result().mask.shape == (32, 48)


def test_after_a_batch_that_fails_the_next_gets_its_own_masks(tmp_path: Path) -> None:
    class Failing(OnnxRuntimeSession):
        fails = False

        def _infer(self, slot: object) -> int:
            if self.fails:
                raise RuntimeError("no memory")
            return super()._infer(slot)  # type: ignore[arg-type]

    model = write_toy_model(tmp_path / "m.onnx", batch="N")
    inner = Failing(model, batch=3)
    with open_fallbacks([model], lambda path: inner, 1e6, silent) as session:
        inner.fails = True
        session.submit([frame_of(0), frame_of(1), frame_of(2)])
        for _ in range(3):
            with pytest.raises(RuntimeError, match="no memory"):
                session.result()
        inner.fails = False
        for k, result in enumerate(session.run([frame_of(0), frame_of(1)])):
            assert np.array_equal(result.mask, toy_mask(frame_of(k)))


@pytest.mark.usefixtures("at_once", "no_thread_is_left")
@pytest.mark.parametrize("batches", [("N", "N", "N"), ("N", 1, "N"), (1, "N", 1)])
def test_no_frame_of_several_sources_is_lost_in_a_switch(tmp_path: Path, batches: tuple[int | str, ...]) -> None:
    out = Collector()
    models = [write_toy_model(tmp_path / f"{k}.onnx", batch=batch) for k, batch in enumerate(batches)]
    with opened(models, NO_TIME_MS, in_flight=2, batch=3) as session:
        files = {str(n): open_source(str(write_numbered(tmp_path / f"{n}.mp4", n))) for n in (5, 9, 14)}
        loop = Loop(session, files, [nullcontext(out)], LoopOptions(0.0), observe=session.observe)
        loop.start()
        stats = loop.finish()
        assert session.stats().current == "2.onnx"
    for name in files:
        assert [number_of(shot.overlay) for shot in out.shots if shot.source == name] == list(range(int(name)))
        assert stats[name].failed == 0


@pytest.mark.usefixtures("no_thread_is_left")
def test_models_of_other_classes_are_refused_and_closed(tmp_path: Path) -> None:
    spec = toy_spec()
    swapped = ModelSpec((spec.classes[1], spec.classes[0], spec.classes[2]), spec.input_size)
    paths = [write_toy_model(tmp_path / "a.onnx"), write_toy_model(tmp_path / "b.onnx", swapped)]
    sessions: list[Session] = []

    def opener(path: Path) -> Session:
        sessions.append(open_session(path))
        return sessions[-1]

    with pytest.raises(
        MismatchError, match=r"^b\.onnx has the classes car, road, sky; a\.onnx has road, car, sky: give models of"
    ):
        open_fallbacks(paths, opener, 33, silent)
    with pytest.raises(ModelFileError, match="missing"):
        open_fallbacks([paths[0], tmp_path / "missing.onnx"], opener, 33, silent)
    assert len(sessions) == 3
    for session in sessions:
        with pytest.raises(UsageError, match="closed"):
            session.run(frame_of(0))


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    paths = [write_toy_model(tmp_path / folder / "model.onnx") for folder in ("a", "b")]
    with opened(paths, 33) as session:
        assert session.stats().models == (str(Path("a/model.onnx")), str(Path("b/model.onnx")))
        assert session.stats().current == str(Path("a/model.onnx"))


@pytest.mark.usefixtures("at_once")
def test_the_measured_times_decide_about_a_step_up(models: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first model has 100 ms more than the second in every frame: that it would fit into 20 ms is not expected."""

    class Slow(OnnxRuntimeSession):
        def _infer(self, slot: object) -> int:
            return super()._infer(slot) + 100_000_000  # type: ignore[arg-type]

    monkeypatch.setattr(fallback_policy, "STAY_NS", 0)
    monkeypatch.setattr(fallback_policy, "WINDOW", 10)

    def opener(path: Path) -> Session:
        return Slow(path) if path == models[0] else OnnxRuntimeSession(path)

    notes: list[str] = []
    with open_fallbacks(models[1::-1], opener, 20, notes.append) as session:
        assert notes == ["big.onnx is no faster than middle.onnx: it does not help as its fallback"]
    with open_fallbacks(models[:2], opener, 20, silent) as session:
        for second, age_ms in enumerate((25, 25, 25, *[5] * 100)):  # in virtual time
            session.observe(frame_at(second * 10**9), second * 10**9 + age_ms * 10**6)
        assert session.stats().current == "middle.onnx"
        assert session.stats().switches["fits"] == 0
