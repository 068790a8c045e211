"""The contact sheet: which frames are chosen, and what is drawn of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.contact_sheet import choose, overlay
from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.loading import load_split, survey
from edgeunet.data.statistics import FrameFacts, SplitFacts
from edgeunet.samples import DATASET
from edgeunet.spec import IGNORE
from tests.commands import Run
from tests.datasets import write_dataset


def facts(split: str, pixels: list[list[int]]) -> SplitFacts:
    return SplitFacts(
        tuple(FrameFacts(f"{split}{i}", (1, sum(p)), np.array(p), 0.0, str(i)) for i, p in enumerate(pixels))
    )


def test_every_class_is_seen_the_rarest_first() -> None:
    splits = {
        "train": facts("train", [[90, 10, 0], [99, 1, 0], [50, 30, 0], *[[100, 0, 0]] * 30]),
        "val": facts("val", [[100, 0, 0], [60, 20, 20], [98, 1, 1]]),
    }
    choices = choose(splits, 3)
    assert [(c.split, c.name, c.shows) for c in choices[:3]] == [
        ("val", "val1", (2,)),
        ("train", "train2", (1,)),
        ("train", "train3", (0,)),
    ]
    assert len(choices) == 12
    assert len({(c.split, c.name) for c in choices}) == 12
    assert choices == choose(splits, 3)
    assert choices[-1].split == "val", "the rest come from everywhere"


def test_a_frame_may_show_several_classes_and_an_absent_class_none() -> None:
    choices = choose({"train": facts("train", [[10, 5, 5, 0], [20, 0, 0, 0]])}, 4)
    assert [(c.name, c.shows) for c in choices] == [("train0", (1, 2)), ("train1", (0,))]
    assert choose({"train": SplitFacts(())}, 4) == []


def test_more_classes_than_tiles_fill_whole_rows() -> None:
    pixels = np.eye(14, dtype=int).tolist() + [[1] * 14] * 20
    choices = choose({"train": facts("train", pixels)}, 14)
    assert len(choices) == 16
    assert {i for c in choices for i in c.shows} == set(range(14))


def test_the_overlay_has_the_class_colours_and_hatches_what_is_ignored() -> None:
    dataset = DatasetFolder.open(DATASET)
    frame, mask = np.full((64, 96, 3), 100, np.uint8), np.zeros((64, 96), np.uint8)
    mask[:, 32:64] = 1
    mask[:, 64:] = IGNORE
    drawn = overlay(Sample("a", frame, mask), dataset.classes)
    assert np.abs(drawn[0, 0].astype(int) - (178, 130, 82)).max() <= 1  # road is (64, 160, 255) in RGB
    assert np.abs(drawn[0, 40].astype(int) - (50, 160, 178)).max() <= 1  # lane_markings (255, 220, 0)
    ignored = {tuple(p) for p in drawn[:, 64:].reshape(-1, 3).tolist()}
    assert len(ignored) == 2
    assert (50, 50, 50) in ignored
    assert (frame == 100).all()


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_the_sheet_of_the_bundled_frames_shows_them(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ran = run("data", "stats", DATASET, "--contact-sheet", path)
    assert ran.code == 0
    assert "WARN" not in ran.err, "OpenCV has nothing to complain of"
    sheet = np.asarray(cv2.imread(str(path)))
    dataset = DatasetFolder.open(DATASET)
    first = choose(survey(dataset), len(dataset.classes))[0]
    sample = next(s for s in load_split(dataset, first.split) if s.name == first.name)
    expected = np.asarray(cv2.resize(overlay(sample, dataset.classes), (400, 300), interpolation=cv2.INTER_AREA))
    best = cv2.minMaxLoc(cv2.matchTemplate(sheet, expected, cv2.TM_SQDIFF_NORMED))
    assert best[0] < 5e-3  # what JPEG leaves
    assert best[2][0] == 16, "the first tile is at the left"
    for c in dataset.classes:  # the legend
        assert (np.abs(sheet[: best[2][1]].astype(int) - c.color[::-1]).max(-1) <= 8).sum() > 300, c.name


def test_the_same_dataset_gives_the_same_file(run: Run, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        run("data", "stats", DATASET, "--contact-sheet", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_sheet_that_cannot_be_written_is_refused_before_the_work(run: Run, tmp_path: Path) -> None:
    ran = run("data", "stats", DATASET, "--contact-sheet", tmp_path / "sheet.gif")
    assert (ran.code, ran.out) == (2, "")
    assert ".jpg or .jpeg or .png" in ran.err
    (tmp_path / "sheet.png").touch()
    ran = run("data", "stats", DATASET, "--contact-sheet", tmp_path / "sheet.png")
    assert (ran.code, ran.out) == (1, "")
    assert "--force" in ran.err


def test_frames_with_faults_are_left_out_of_the_sheet(run: Run, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "d")
    (data / "images" / "train" / "001.png").write_bytes(b"")
    ran = run("data", "stats", data, "--contact-sheet", tmp_path / "sheet.png")
    assert ran.code == 1
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
