"""`edgeunet train` on frames that are not 8-bit BGR, as it is typed, and what comes of the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeunet.network.checkpoint import load_model
from edgeunet.spec import PixelFormat
from tests.commands import Run
from tests.datasets import write_dataset
from tests.pixel_datasets import FOUR, GREY, THERMAL, write_pixels

SHORT = ("--model", "nano", "--steps", 2, "--batch", 2, "--size", "32x48")


@pytest.mark.parametrize(
    ("pixels", "words", "shown"),
    [
        (GREY, ("--channels", 1), "input 32×48 of one channel, for 2 steps"),
        (FOUR, ("--channels", 4), "input 32×48 of four channels, for 2 steps"),
        (THERMAL, ("--channels", 1, "--levels", "7000:8000"), "input 32×48 of one channel, levels 7000:8000, for 2"),
        (PixelFormat(3, deep=True), ("--levels", "7000:8000,1:2,3:4"), "input 32×48, levels 7000:8000,1:2,3:4, for 2"),
    ],
)
def test_channels_and_levels_are_part_of_a_run(
    run: Run, tmp_path: Path, pixels: PixelFormat, words: tuple[object, ...], shown: str
) -> None:
    data, folder = write_pixels(tmp_path / "data", pixels), tmp_path / "run"
    ran = run("train", data, "-o", folder, *SHORT, *words)
    assert ran.code == 0, ran.err
    assert shown in ran.out
    net, spec = load_model(folder / "best.pt")
    assert (spec.pixels, net.config.in_channels) == (pixels, pixels.channels)
    assert len(spec.mean) == len(spec.std) == pixels.channels
    record = json.loads((folder / "run.json").read_text())
    assert record["levels"] == [list(pair) for pair in spec.levels]
    resumed = run("train", data, "-o", folder, *SHORT, "--resume")
    assert resumed.code == 1
    assert "has 8 bits" not in resumed.err
    assert ("--levels" if pixels.deep else "--channels") in resumed.err, "the remedy names what to type"


def test_auto_levels_are_those_of_the_training_split(run: Run, tmp_path: Path) -> None:
    data, folder = write_pixels(tmp_path / "data", THERMAL, train=3), tmp_path / "run"
    ran = run("train", data, "-o", folder, *SHORT, "--channels", 1, "--levels", "auto")
    assert ran.code == 0, ran.err
    ((low, high),) = load_model(folder / "best.pt")[1].levels
    assert 6800 <= low < 7200, "the darkest are 6800"
    assert 7900 < high <= 8075, "the brightest 8075"
    assert run("train", data, "-o", folder, *SHORT, "--channels", 1, "--levels", "auto", "--resume").code == 0


def test_without_levels_16_bits_are_refused_where_too_little_is_left(run: Run, tmp_path: Path) -> None:
    ran = run("train", write_pixels(tmp_path / "data", THERMAL), "-o", tmp_path / "run", *SHORT)
    assert ran.code == 1
    assert "only the upper 8 are used, which keep" in ran.err
    assert "train with `--levels auto`" in ran.err
    assert not (tmp_path / "run" / "best.pt").exists()


def test_only_grey_images_are_a_note_of_training(run: Run, tmp_path: Path) -> None:
    data = write_pixels(tmp_path / "data", GREY)
    notes = [line for line in run("train", data, "-o", tmp_path / "a", *SHORT).err.splitlines() if "are grey" in line]
    assert [note.startswith("note: data: all 3 image(s) are grey: `train --channels 1`") for note in notes] == [True]
    assert "are grey" not in run("train", data, "-o", tmp_path / "b", *SHORT, "--channels", 1).err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--channels", 2), 2, "frames have 1, 3 or 4 channels, got 2 (--channels)"),
        (("--levels", "9:5"), 2, "--levels has LOW below HIGH, and both from 0 to 65535; got 9:5"),
        (("--levels", "5:9,5:9", "--channels", 1), 2, "for each of 1 channel(s)"),
        (("--levels", "all"), 2, "--levels is auto, or LOW:HIGH such as 1000:4000"),
        (("--qat", "x.pt", "--levels", "auto"), 2, "--qat uses the input of its checkpoint: leave out --levels"),
        (("--qat", "x.pt", "--channels", 1), 2, "leave out --channels"),
        (("--levels", "auto"), 1, "images/train/000.png: has 8 bits per channel, and levels are for frames of 16"),
        (("--channels", 4), 1, "images/train/000.png: has 3 channel(s), and 4 are wanted"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    run: Run, tmp_path: Path, words: tuple[object, ...], code: int, message: str
) -> None:
    ran = run("train", write_dataset(tmp_path / "data"), "-o", tmp_path / "run", *SHORT[:-2], *words)
    assert (ran.code, message in ran.err) == (code, True), ran.err
    assert ran.err.count(".png") <= 1, "one line for all images of a kind"
    assert not (tmp_path / "run").exists()
