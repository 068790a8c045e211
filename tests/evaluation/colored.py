"""A dataset on which the toy model's answer is known: it sees the colour of each pixel (tests/models.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgeunet.evaluation.page import EvaluationPage
from edgeunet.evaluation.score import Evaluation, evaluate_model
from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import open_session
from edgeunet.spec import IGNORE
from tests.models import COLORS, toy_spec, write_toy_model

SIZE = (32, 48)
Frame = tuple[UInt8, UInt8]  # label, and what the model is to answer; uint8 [32, 48] each


def halves(at: int, left: int = 0, right: int = 1) -> UInt8:
    """One class to the left of a column, another from it on."""
    mask = np.full(SIZE, left, np.uint8)
    mask[:, at:] = right
    return mask


def write_colored(path: Path, frames: Sequence[Frame]) -> Path:
    """A dataset of the classes of the toy model, frames 000, 001, … in val; label pixels of IGNORE are void."""
    for number, (label, answer) in enumerate(frames):
        for kind, image in (("images", 200 * np.eye(3, dtype=np.uint8)[answer]), ("masks", label)):
            file = path / kind / "val" / f"{number:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)
    classes = [{"index": i, "name": n, "color": c, "ignore": False} for i, (n, c) in enumerate(COLORS.items())]
    classes.append({"index": IGNORE, "name": "void", "color": (0, 0, 0), "ignore": True})
    (path / "classes.json").write_text(json.dumps({"classes": classes}))
    return path


def evaluated(folder: Path, frames: Sequence[Frame]) -> tuple[Evaluation, str]:
    """What the toy model makes of these frames, and the page about it."""
    data = write_colored(folder / "data", frames)
    model = write_toy_model(folder / "toy.onnx", toy_spec(SIZE))
    page = EvaluationPage(folder / "page.html", force=True)
    with open_session(model, threads=1) as session:
        evaluation = evaluate_model(session, model, data, "val")
        page.write(evaluation, session)
    return evaluation, (folder / "page.html").read_text(encoding="utf-8")
