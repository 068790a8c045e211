"""The page as a reader finds it, without a browser: figures, order, words, and the same bytes each time."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import MissingDependencyError, OutputError
from edgeunet.evaluation.label_noise import Float32
from edgeunet.evaluation.page import EvaluationPage
from edgeunet.evaluation.score import evaluate_model
from edgeunet.imaging.pixels import UInt8
from edgeunet.spec import IGNORE
from tests.evaluation.colored import SIZE, Frame, evaluated, halves, write_colored
from tests.models import toy_spec
from tests.parsed import Page


def _frames() -> list[Frame]:
    """Seven: in number 4 half of car is taken for road, in number 6 all of a little sky for car."""
    little = halves(24)
    little[:3, 40:] = 2
    void = halves(24)
    void[20:] = IGNORE
    off = [(halves(24), halves(24 + c)) for c in (1, 2, 0, 3, 12)]
    return [*off, (void, halves(24)), (little, halves(24))]


def test_the_tables_have_the_figures(tmp_path: Path) -> None:
    evaluation, text = evaluated(tmp_path, _frames())
    page = Page(text)
    rows = {row[0]: row[1:] for row in page.table("class")[1:]}
    values = evaluation.values
    assert list(rows) == ["road", "car", "sky"]
    for name, row in rows.items():
        figures = [values[key][name] for key in ("iou", "boundary_f1", "class_precision", "class_recall")]
        assert row[:4] == ["–" if f is None else f"{100 * f:.1f}" for f in figures]
    assert rows["sky"][1:] == ["0.0", "–", "0.0", f"{100 * 24 / values['pixels']:.1f}", "1"]
    assert rows["car"][5] == "7"
    header, road, car, sky = page.table("label")
    assert header == ["label", "road", "car", "sky"]
    assert road == ["road", "100", "", ""]
    share = values["confusion"][1][0] / sum(values["confusion"][1])
    assert car == ["car", f"{100 * share:.0f}", f"{100 * (1 - share):.0f}", ""]
    assert sky == ["sky", "", "100", ""]
    headline = f"{100 * values['miou']:.1f} %mIoU{100 * values['mean_boundary_f1']:.1f} %boundary F1"
    assert headline in page.text.replace("\n", "")


def test_it_says_what_goes_wrong_in_words_the_worst_first(tmp_path: Path) -> None:
    _, text = evaluated(tmp_path, _frames())
    page = Page(text)
    words = re.sub(r"\s+", " ", page.text)
    assert re.search(r"sky → car 100\.0 % .* car → road \d", words)
    worst = page.headings[page.headings.index("The worst frames") :]
    assert worst[1:6] == ["004", "003", "001", "000", "006"]
    assert worst[6] == "Where each class fails most"
    assert "25.0 % of its pixels are wrong, mIoU 58.3 %. Mainly car taken for road: 100.0 % of what is wrong." in words
    fails = [title for title in page.titles if " in " in title]
    assert fails == [
        "road in 004: precision 66.7 %, recall 100.0 %",
        "car in 004: precision 100.0 %, recall 50.0 %",
        "sky in 006: precision –, recall 0.0 %",
    ]
    # The middle one is among the worst.
    assert worst[7:] == ["Labels to look at", "For comparison", "005", "What was evaluated"]
    assert "a model file gives no probabilities. edgeunet evaluate of the checkpoint" in words


class Sure:
    """Sees the colour of each pixel, as the toy model does, and is sure of it by a probability for each frame."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.spec = toy_spec(SIZE)
        self._probabilities = probabilities
        self._frames: list[bytes] = []

    def segment(self, frame: UInt8) -> UInt8:
        return np.asarray(frame.argmax(2), np.uint8)

    def class_logits(self, frame: UInt8) -> Float32:
        if frame.tobytes() not in self._frames:
            self._frames.append(frame.tobytes())
        own = self._probabilities[self._frames.index(frame.tobytes())]
        return np.log(np.where(np.moveaxis(frame, 2, 0) > 0, own, (1 - own) / 2)).astype(np.float32)


def test_labels_that_are_probably_wrong_are_shown_first_where_the_network_is_surest(tmp_path: Path) -> None:
    labels = [halves(24 + n) for n in range(6)]
    answers = [label.copy() for label in labels]
    answers[1][:12, :16], answers[4][20:, 30:] = 2, 2
    answers[4][:12, :6] = 1
    segmenter = Sure([0.8, 0.95, 0.8, 0.8, 0.9, 0.7])
    data, model = write_colored(tmp_path / "data", list(zip(labels, answers, strict=True))), tmp_path / "m.pt"
    model.write_bytes(b"stands for a checkpoint")
    evaluation = evaluate_model(segmenter, model, data, "val", find_noise=True)
    assert evaluation.values["confusion"] == evaluate_model(segmenter, model, data, "val").values["confusion"]
    EvaluationPage(tmp_path / "page.html", force=False).write(evaluation, segmenter)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    words = re.sub(r"\s+", " ", page.text)
    at = page.headings.index("Labels to look at")
    assert page.headings[at : at + 4] == ["Labels to look at", "004", "For comparison", page.headings[at + 3]]
    assert re.search(r"labelled road, the network says car: 90\.0 % sure, \d\.\d % of the frame", words)


def test_a_network_that_agrees_with_every_label_has_none_to_look_at(tmp_path: Path) -> None:
    segmenter = Sure([0.8, 0.9])
    data = write_colored(tmp_path / "data", [(halves(24), halves(24)), (halves(30), halves(30))])
    (tmp_path / "m.pt").write_bytes(b"stands for a checkpoint")
    evaluation = evaluate_model(segmenter, tmp_path / "m.pt", data, "val", find_noise=True)
    EvaluationPage(tmp_path / "page.html", force=False).write(evaluation, segmenter)
    assert "nowhere is the network sure of another class" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_it_stands_alone(tmp_path: Path) -> None:
    _, text = evaluated(tmp_path, _frames())
    page = Page(text)
    assert all(a.startswith(("#", "data:image/")) for a in page.addresses)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    targets = {a[1:] for a in page.addresses if a.startswith("#")}
    ids = re.findall(r' id="([^"]+)"', text)
    assert targets <= set(ids)
    assert len(ids) == len(set(ids))


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    (first, page), (second, again) = (evaluated(tmp_path / str(i), _frames()) for i in range(2))
    assert page.replace(str(tmp_path / "0"), "") == again.replace(str(tmp_path / "1"), "")
    one, other = (json.dumps(e.values | {"dataset": ""}) for e in (first, second))
    assert one == other


def test_one_frame_without_a_fault_has_a_page(tmp_path: Path) -> None:
    _, text = evaluated(tmp_path, [(np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8))])
    page = Page(text)
    assert "every pixel is right" in page.text
    assert page.table("class")[2] == ["car", "–", "–", "–", "–", "0.0", "0"]
    assert page.headings[-3:] == ["For comparison", "000", "What was evaluated"]
    assert "1 frame," in page.text


def test_what_keeps_it_from_being_written_is_found_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        EvaluationPage(path, force=False)
    with pytest.raises(OutputError, match="folder"):
        EvaluationPage(tmp_path, force=True)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match="pip install jinja2"):
        EvaluationPage(path, force=True)
    assert path.read_text() == "mine"
