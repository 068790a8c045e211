"""The session on a real TensorRT or TensorRT-RTX engine of the toy model, whose masks are known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeunet.board.gpu import Provider
from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.gpu.tensorrt_session import TensorRTSession
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.engine.export_engine import export_engine
from tests.gpu.memory import Memory
from tests.models import toy_mask, toy_spec, write_toy_model
from tests.runtime.gpu import reference
from tests.runtime.session_contract import SIZE, SessionContract, frame_of

pytestmark = pytest.mark.usefixtures("cuda_provider")


@pytest.fixture(scope="module")
def engine(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(provider)
    model = write_toy_model(folder / "m.onnx", toy_spec(SIZE))
    export_engine(model, folder / "m.engine", EngineOptions(provider), if_stale=False, force=False)
    return folder / "m.engine"


class OnGpu(SessionContract):
    in_flight = 1

    @pytest.fixture(autouse=True)
    def _engine(self, engine: Path) -> None:
        self.path = engine

    def open(self, folder: Path) -> Session:
        return open_session(self.path, in_flight=self.in_flight)


class TestOneInFlight(OnGpu):
    pass


class TestThreeInFlight(OnGpu):
    in_flight = 3


def test_frames_are_replayed_from_a_graph(engine: Path) -> None:
    """A plan for any GPU may refuse; then the reason stands here."""
    with open_session(engine) as session:
        for _ in range(2):
            session.run(frame_of(0))
        assert session.describe()["cuda_graph"] == "replayed"


def test_replayed_masks_are_those_of_plain_work(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame_of(k, size) for k, size in enumerate([(48, 64)] * 3 + [(100, 80)] * 3 + [(480, 640)] * 3)]
    with open_session(engine) as session:
        replayed = [session.run(frame).mask for frame in frames]
    monkeypatch.setattr("edgeunet.runtime.gpu.infer_request.CudaGraph", _refuse)
    with open_session(engine) as session:
        plain = [session.run(frame).mask for frame in frames]
        assert session.describe()["cuda_graph"].startswith("refused")
    for frame, a, b in zip(frames, replayed, plain, strict=True):
        letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), toy_spec(SIZE))
        assert np.array_equal(a, b)
        assert np.array_equal(a, toy_mask(reference.fit(frame, letterbox)))


def test_ten_thousand_frames_take_no_memory(engine: Path) -> None:
    with open_session(engine) as session:
        assert isinstance(session, TensorRTSession)
        memory, frame = Memory(), frame_of(0, (480, 640))
        for count in range(10_000):
            session.run(frame)
            memory.look(count, session._device)
        memory.require_flat()


@pytest.mark.timeout(300)
def test_eight_threads_open_and_close_sessions_for_a_minute(engine: Path) -> None:
    end = time.monotonic() + 60

    def work(thread: int) -> int:
        rounds = 0
        while time.monotonic() < end:
            with open_session(engine, in_flight=1 + rounds % 3) as session:
                for k in range(4):
                    frame = frame_of(thread + 8 * k)
                    assert np.array_equal(session.run(frame).mask, toy_mask(frame))
            rounds += 1
        return rounds

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(work, range(8))) > 0


def _refuse(*arguments: object) -> None:
    raise GpuError("plain work is wanted")
