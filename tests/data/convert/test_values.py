"""Masks whose values mean something else than class indices: lists, the nearest colour, a list to fill in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeunet.imaging.letterbox import UInt8
from tests.commands import Run
from tests.data.convert.trees import colored, contents, pictures_in, write
from tests.datasets import CLASSES, draw

COLORS = [(90, 90, 90), (255, 0, 0), (0, 0, 255)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Six frames; masks are added by each test."""
    for k in range(6):
        write(tmp_path / "source" / "images" / f"{'ab'[k // 3]}_{k}.png", draw(k)[0])
    return tmp_path / "source"


def add_masks(source: Path, masks: list[UInt8], ending: str = ".png") -> None:
    for k, mask in enumerate(masks):
        write(source / "masks" / f"{'ab'[k // 3]}_{k}{ending}", mask)


def made_masks(folder: Path) -> list[UInt8]:
    found = {name: mask for split in ("train", "val") for name, mask in pictures_in(folder / "masks" / split).items()}
    return [found[name] for name in sorted(found)]


def test_values_of_a_list_become_its_classes(source: Path, tmp_path: Path, run: Run) -> None:
    add_masks(source, [draw(k)[1] * 50 + 3 for k in range(6)])
    listed = tmp_path / "own.csv"
    listed.write_text("value,name,color,ignore\n103,bar,,\n3,ground,,\n53,bar,,\n")
    ran = run("data", "convert", source, "-o", tmp_path / "made", "--classes", listed)
    assert ran.code == 0
    assert [np.array_equal(m, draw(k)[1] == 0) for k, m in enumerate(made_masks(tmp_path / "made"))] == [True] * 6
    assert [c["name"] for c in json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]] == [
        "bar",
        "ground",
    ]
    assert run("data", "stats", tmp_path / "made").code == 0


def test_a_list_with_another_start_is_numbered_without_an_option(source: Path, tmp_path: Path, run: Run) -> None:
    add_masks(source, [draw(k)[1] + 1 for k in range(6)])
    entries = [{**c, "index": i + 1} for i, c in enumerate(CLASSES[:3])]
    (source / "classes.json").write_text(json.dumps({"classes": [{"index": 0, "name": "x", "ignore": True}, *entries]}))
    for layout in ((), ("--layout", "indices")):
        ran = run("data", "convert", source, "-o", tmp_path / "made", "--force", *layout)
        assert ran.code == 0
        assert all(np.array_equal(m, draw(k)[1]) for k, m in enumerate(made_masks(tmp_path / "made")))
    stats = run("data", "stats", source)
    assert (stats.code, "`edgeunet data convert` numbers them so" in stats.err) == (1, True)


def test_masks_that_were_jpeg_take_the_nearest_colour_and_it_is_said(source: Path, tmp_path: Path, run: Run) -> None:
    add_masks(source, [colored(draw(k)[1], COLORS) for k in range(6)], ".jpg")
    (source / "class_dict.csv").write_text("name,r,g,b\nground,90,90,90\ndisc,255,0,0\nbar,0,0,255\n")
    refused = run("data", "convert", source, "-o", tmp_path / "made")
    assert (refused.code, "--nearest" in refused.err) == (1, True)
    ran = run("data", "convert", source, "-o", tmp_path / "made", "--nearest")
    assert ran.code == 0
    assert " % of all, took the nearest colour of the list; the farthest is (" in ran.out
    agree = [float((m == draw(k)[1]).mean()) for k, m in enumerate(made_masks(tmp_path / "made"))]
    assert min(agree) > 0.97


def test_nearest_is_for_colours(source: Path, tmp_path: Path, run: Run) -> None:
    add_masks(source, [draw(k)[1] for k in range(6)])
    (source / "classes.csv").write_text("value,name\n0,ground\n1,disc\n2,bar\n")
    ran = run("data", "convert", source, "-o", tmp_path / "made", "--nearest")
    assert (ran.code, "--nearest is for masks in colours" in ran.err) == (2, True)


def test_a_list_to_fill_in_has_the_values_with_their_shares(source: Path, tmp_path: Path, run: Run) -> None:
    masks = [draw(k)[1] * 20 for k in range(6)]
    masks[0][0] = 255
    add_masks(source, masks)
    before = contents(source)
    ran = run("data", "classes", source, "-o", tmp_path / "own.csv")
    assert ran.code == 0
    assert f"4 values → {tmp_path}/own.csv: fill in the names" in ran.out
    lines = [line.split(",") for line in (tmp_path / "own.csv").read_text().splitlines()]
    assert [line[0] for line in lines] == ["value", "0", "20", "40", "255"]
    share = 100 * sum(int((m == 20).sum()) for m in masks) / sum(m.size for m in masks)
    assert lines[2][1:] == ["class_1", lines[2][2], "no", f"{share:.2f} %"]
    assert lines[4][1:4] == ["ignored", "", "yes"]
    assert contents(source) == before
    assert run("data", "convert", source, "-o", tmp_path / "made", "--classes", tmp_path / "own.csv").code == 0
    assert made_masks(tmp_path / "made")[1].max() == 2
    mine = (tmp_path / "own.csv").read_bytes()
    ran = run("data", "classes", source / "masks" / "a_1.png", "-o", tmp_path / "own.csv")
    assert (ran.code, (tmp_path / "own.csv").read_bytes()) == (1, mine)
    assert run("data", "classes", source / "masks" / "a_1.png", "-o", tmp_path / "own.csv", "--force").code == 0


def test_of_masks_with_losses_the_list_has_the_colours_that_were_there(source: Path, tmp_path: Path, run: Run) -> None:
    add_masks(source, [np.kron(colored(draw(k)[1], COLORS), np.ones((4, 4, 1), np.uint8)) for k in range(6)], ".jpg")
    ran = run("data", "classes", source / "masks", "-o", tmp_path / "own.csv")
    assert ran.code == 0
    assert (
        "are left out: lossy compression or smoothing makes such colours; `edgeunet data convert --nearest`" in ran.out
    )
    rows = [line.split('"')[1] for line in (tmp_path / "own.csv").read_text().splitlines()[1:]]
    found = [tuple(map(int, row.split(","))) for row in rows]
    assert all(min(sum(abs(a - b) for a, b in zip(c, f, strict=True)) for f in found) < 12 for c in COLORS)
    ran = run("data", "convert", source, "-o", tmp_path / "made")
    assert ran.err.rstrip().endswith("--nearest`")


def test_a_list_of_nothing_is_not_written(source: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    (source / "bad.png").write_bytes(b"no")
    write(tmp_path / "photos" / "a.png", np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8))
    empty, damaged, absent = tmp_path / "empty", source / "bad.png", tmp_path / "no"
    for masks, says in (
        (empty, "has no masks"),
        (damaged, "no mask can be read"),
        (absent, "no such"),
        (tmp_path / "photos", "as photos have"),
    ):
        ran = run("data", "classes", masks, "-o", tmp_path / "own.csv")
        assert (ran.code, says in ran.err, (tmp_path / "own.csv").exists()) == (1, True, False)
    ran = run("data", "classes", source, "-o", tmp_path / "own.txt")
    assert (ran.code, "needs the ending .csv" in ran.err) == (2, True)


def test_grey_that_is_stretched_to_16_bits_is_named(source: Path, tmp_path: Path, run: Run) -> None:
    for k in range(6):
        write(source / "masks" / f"{'ab'[k // 3]}_{k}.png", draw(k)[1].astype(np.uint16) * 257)
    (source / "classes.json").write_text(json.dumps({"classes": CLASSES}))
    ran = run("data", "convert", source, "-o", tmp_path / "made", "--layout", "indices")
    assert (ran.code, "has 16 bits, which count as colours, and masks of class indices" in ran.err) == (1, True)


def test_jpeg_masks_of_numbers_are_named(source: Path, tmp_path: Path, run: Run) -> None:
    add_masks(source, [draw(k)[1] for k in range(6)], ".jpg")
    listed = tmp_path / "own.csv"
    listed.write_text("value,name\n0,ground\n1,bar\n")
    ran = run("data", "convert", source, "-o", tmp_path / "made", "--classes", listed)
    assert (ran.code, "saved as JPEG lose the numbers of their classes: export them again as PNG" in ran.err) == (
        1,
        True,
    )
    listed.write_text("value,name\n" + "".join(f"{i},c{i}\n" for i in range(250)))
    ran = run("data", "convert", source, "-o", tmp_path / "made", "--classes", listed)
    assert (ran.code, "warning: 6 mask(s) are JPEG: masks that are saved as JPEG lose" in ran.err) == (0, True)


def test_masks_in_colours_are_not_sent_to_an_option_that_does_not_help(source: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "names.txt").write_text("ground\nroad\ncar\n")
    numbers = [draw(k)[1] for k in range(6)]
    add_masks(source, [np.dstack([0 * n, 0 * n, n]) for n in numbers])  # in red, as CARLA writes them
    done = run("data", "convert", source, "-o", tmp_path / "made", "--classes", tmp_path / "names.txt")
    assert done.code == 1
    assert "names.txt has no colours, and the masks are read as colours: `edgeunet data classes` writes" in done.err
