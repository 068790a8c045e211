"""Frames cut into tiles, in every backend of this machine: the contract of a session, for the canvas of two tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet.errors import ModelFileError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.imaging.tiling import Tiling
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.session import Prediction
from edgeunet.runtime.tiled_session import TiledSession
from edgeunet.spec import ModelSpec
from tests.models import toy_mask, toy_spec, write_toy_model
from tests.runtime.session_contract import SIZE, SessionContract, frame_of

TILED = replace(toy_spec((17, 48)), tiles=(2, 1))  # covers 32×48


class TiledContract(SessionContract):
    spec = TILED
    options: ClassVar[dict[str, Any]]

    def open(self, folder: Path) -> Session:
        return open_session(write_toy_model(folder / "toy.onnx", TILED), **self.options)

    def test_it_says_how_many_tiles_a_frame_has(self, session: Session) -> None:
        assert session.describe()["tiles"] == "2x1"
        assert "join" in session.run(frame_of(0)).times_ns


class TestOneByOne(TiledContract):
    options: ClassVar = {"backend": "onnxruntime"}


class TestTwoAtATime(TiledContract):
    options: ClassVar = {"backend": "onnxruntime", "in_flight": 2}


class TestOpenVino(TiledContract):
    options: ClassVar = {"backend": "openvino", "in_flight": 2}

    @pytest.fixture(autouse=True)
    def _needs_openvino(self) -> None:
        pytest.importorskip("openvino", reason="OpenVINO is not installed")


class Faulty(Session):
    """Answers with the class of the first pixel's blue, and fails on the tile whose number is in `faults`."""

    capacity = 2

    def __init__(self, spec: ModelSpec, faults: set[int]) -> None:
        super().__init__(spec)
        self.faults, self.taken = faults, 0
        self.frames: list[UInt8] = []

    def describe(self) -> dict[str, str]:
        return {"backend": "faulty", "version": "1", "device": "none"}

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        self.frames.append(letterboxes[0].fit(frames[0]))

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        frame, number = self.frames.pop(0), self.taken
        self.taken += 1
        if number in self.faults:
            raise ModelFileError("it fails")
        return [Prediction(frame[:, :, 0])], {"infer": 1}

    def _close(self) -> None:
        self.frames.clear()


@pytest.mark.parametrize("fault", range(4))
def test_after_a_tile_that_fails_the_next_frame_begins_with_its_own(fault: int) -> None:
    session = TiledSession(Faulty(replace(toy_spec((16, 16)), tiles=(2, 2)), {fault}))
    with pytest.raises(ModelFileError, match="it fails"):
        session.run(np.full((30, 30, 3), 1, np.uint8))
    frame = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    assert np.array_equal(session.run(frame).mask, frame[:, :, 0])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_logits_of_a_file_that_has_them_are_blended(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    blended: list[Sequence[NDArray[np.float32]]] = []
    blend = Tiling.blend

    def spied(tiling: Tiling, logits: Sequence[NDArray[np.float32]]) -> UInt8:
        blended.append(logits)
        return blend(tiling, logits)

    monkeypatch.setattr(Tiling, "blend", spied)
    frame = frame_of(0)
    with open_session(write_toy_model(tmp_path / "toy.onnx", TILED, logits=True), backend=backend) as session:
        assert np.array_equal(session.run(frame).mask, toy_mask(frame))
    ((upper, lower),) = blended
    assert np.array_equal(upper, frame[:17].transpose(2, 0, 1))
    assert np.array_equal(lower, frame[15:].transpose(2, 0, 1))


def test_times_are_sums_over_the_tiles() -> None:
    session = TiledSession(Faulty(replace(toy_spec((16, 16)), tiles=(2, 2)), set()))
    assert session.run(np.zeros((30, 30, 3), np.uint8)).times_ns["infer"] == 4


def test_the_mask_of_a_frame_of_another_shape_is_restored(tmp_path: Path) -> None:
    """64×48 in a canvas of 32×48: the frame fills 24 columns in the middle."""
    with open_session(write_toy_model(tmp_path / "toy.onnx", TILED)) as session:
        frame = np.repeat(np.repeat(frame_of(0, (32, 24)), 2, 0), 2, 1)
        mask = session.segment(frame)
        result = session.run(frame)
    assert result.mask.shape == SIZE
    assert mask.shape == (64, 48)
    assert np.array_equal(mask[::2, ::2], toy_mask(result.letterbox.inside(result.letterbox.fit(frame))))
