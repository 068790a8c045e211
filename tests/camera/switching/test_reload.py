from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.switching.reload import ModelWatch
from edgeunet.runtime import Session, open_session
from tests.models import toy_spec, write_toy_model

WAIT_S = 20


class Told:
    """What a watch says and hands over."""

    def __init__(self) -> None:
        self.notes: queue.Queue[str] = queue.Queue()
        self.sessions: list[Session] = []

    def note(self) -> str:
        return self.notes.get(timeout=WAIT_S)


def watch(model: Path, told: Told) -> ModelWatch:
    return ModelWatch(model, toy_spec(), lambda: open_session(model), told.sessions.append, told.notes.put, poll_s=0.01)


def replace(model: Path, write: Callable[[Path], object]) -> None:
    """As a careful program does it: the new file gets the name when it is whole."""
    write(model.with_suffix(".new.onnx"))
    model.with_suffix(".new.onnx").replace(model)


def test_a_newer_model_is_opened_tried_and_handed_over(model: Path) -> None:
    told = Told()
    with watch(model, told):
        replace(model, lambda path: write_toy_model(path, order=(2, 1, 0)))
        assert told.note() == f"{model} was replaced: the new model is in use"
    (session,) = told.sessions
    with session:
        assert (session.run(np.full((32, 48, 3), (200, 0, 0), np.uint8)).mask == 2).all()


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: path.write_bytes(b"no model"), "toy.onnx"),
        (lambda path: write_toy_model(path, toy_spec((64, 96))), "road, car, sky at 64×96; the model in use"),
        (lambda path: write_toy_model(path, with_spec=False), "no edgeunet spec"),
    ],
)
def test_a_bad_model_is_refused_with_its_reason_and_the_next_good_one_is_taken(
    model: Path, write: Callable[[Path], object], says: str
) -> None:
    told = Told()
    with watch(model, told):
        replace(model, write)
        note = told.note()
        assert note.startswith(f"{model} was replaced, but the old model stays: ")
        assert says in note
        assert not told.sessions
        replace(model, write_toy_model)
        assert "in use" in told.note()
    told.sessions[0].close()


def test_a_model_that_answers_nonsense_is_refused(model: Path) -> None:
    """Its spec promises two classes, its masks have three."""
    told, two = Told(), toy_spec().classes[:2]
    spec = type(toy_spec())(two, (32, 48))
    with ModelWatch(model, spec, lambda: open_session(model), told.sessions.append, told.notes.put, poll_s=0.01):
        replace(model, lambda path: write_toy_model(path, spec))
        note = told.note()
    assert not told.sessions
    assert "up to class 2" in note
