"""Confidence and familiarity: every backend gives them with each mask, of the same frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import UsageError
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.opening import spec_of
from tests.fakes.pycuda import FakeCuda
from tests.fakes.tensorrt import FakeTensorRT, Tensor
from tests.models import TRUST, toy_mask, toy_spec, toy_trust, write_toy_model
from tests.runtime.engines import (
    CONFIDENCE,
    FAMILIARITY,
    FRAME,
    LOGITS,
    MASK,
    SIZE,
    install_tensorrt,
    write_toy_engine,
)
from tests.runtime.session_contract import frame_of

Opener = Callable[[Path], Session]


@pytest.fixture(
    params=[
        *("onnxruntime", "two in flight", "a batch", "openvino", "openvino, a batch"),
        *("tensorrt", "tensorrt, mapped", "tensorrt, logits", "tensorrt, a batch"),
    ]
)
def opener(request: pytest.FixtureRequest, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Opens the toy model; TensorRT is a fake."""
    kind = request.param

    def on_cpu(folder: Path) -> Session:
        batch = 3 if kind.endswith("a batch") else 1
        path = write_toy_model(folder / "m.onnx", toy_spec(SIZE), batch="N" if batch > 1 else 1, trust=True)
        backend = "openvino" if kind.startswith("openvino") else "onnxruntime"
        return open_session(path, backend=backend, in_flight=2 if kind == "two in flight" else 1, batch=batch)

    def on_gpu(folder: Path) -> Session:
        trt = FakeTensorRT("10.16")
        cuda.set("integrated", kind == "tensorrt, mapped")
        install_tensorrt(trt, cuda, monkeypatch)
        tensors: tuple[Tensor, ...] = (FRAME, FAMILIARITY, CONFIDENCE, LOGITS if kind == "tensorrt, logits" else MASK)
        spec, batch = replace(toy_spec(SIZE), trust=TRUST), 3 if kind.endswith("a batch") else 1
        if batch > 1:
            tensors = tuple(replace(tensor, shape=(-1, *tensor.shape[1:])) for tensor in tensors)
        return open_session(write_toy_engine(folder / "m.engine", trt, tensors, spec), batch=batch)

    return on_gpu if kind.startswith("tensorrt") else on_cpu


def test_each_mask_comes_with_its_own(opener: Opener, tmp_path: Path) -> None:
    with opener(tmp_path) as session:
        assert session.spec.trust == TRUST
        for first in (0, 3, 6):  # a GPU replays a graph from the second on
            frames = [frame_of(first + number) for number in range(max(session.capacity, session.max_batch))]
            if session.max_batch > 1:
                session.submit(frames)
            else:
                for frame in frames:
                    session.submit(frame)
            for frame in frames:
                result = session.result()
                confidence, familiarity = toy_trust(frame)
                assert np.array_equal(result.mask, toy_mask(frame))
                assert result.confidence is not None
                assert result.familiarity is not None
                assert np.array_equal(result.confidence, confidence)
                assert result.familiarity == pytest.approx(familiarity, rel=1e-5)


def test_they_are_the_callers_to_keep(opener: Opener, tmp_path: Path) -> None:
    with opener(tmp_path) as session:
        kept = [session.run(frame_of(number)).confidence for number in range(4)]
    for number, confidence in enumerate(kept):
        assert confidence is not None
        assert np.array_equal(confidence, toy_trust(frame_of(number))[0])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_tiles_are_joined_and_the_least_familiar_one_counts(backend: str, tmp_path: Path) -> None:
    spec = replace(toy_spec((17, 48)), tiles=(2, 1))
    frame = frame_of(0)
    frame[:10] //= 4
    with open_session(write_toy_model(tmp_path / "m.onnx", spec, trust=True), backend=backend) as session:
        result = session.run(frame)
    assert result.confidence is not None
    assert np.array_equal(result.confidence, toy_trust(frame)[0])
    assert result.familiarity == pytest.approx(frame[:17].mean(), rel=1e-5)


def test_the_bars_of_a_letterbox_do_not_count(tmp_path: Path) -> None:
    with open_session(write_toy_model(tmp_path / "m.onnx", toy_spec(SIZE), trust=True)) as session:
        result = session.run(np.full((32, 16, 3), 51, np.uint8))
    assert result.confidence is not None
    assert result.confidence[:, :10].min() > 51, "the bars are brighter"
    assert result.mean_confidence == pytest.approx(0.2)


def test_a_file_without_them_gives_none(tmp_path: Path) -> None:
    with open_session(write_toy_model(tmp_path / "m.onnx", toy_spec(SIZE))) as session:
        result = session.run(frame_of(0))
    assert (result.confidence, result.familiarity, result.mean_confidence, session.spec.trust) == (None,) * 4


def test_the_spec_keeps_what_they_mean(tmp_path: Path) -> None:
    assert spec_of(write_toy_model(tmp_path / "m.onnx", trust=True)).trust == TRUST


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"familiarity_floor": float("nan")}, {"judged": 0}, {"error": 1.5}, {"unfamiliar": -0.1}],
)
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(TRUST, **wrong)  # type: ignore[arg-type]
