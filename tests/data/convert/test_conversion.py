"""What holds for every layout: whole or not at all, the source untouched, one line for a wrong request."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.data.convert.recognition import chosen
from edgeunet.errors import DatasetError, OutputError
from tests.commands import Run
from tests.data.convert.trees import contents, write_camvid, write_cityscapes, write_colors


def test_layouts_are_told_by_their_folders(tmp_path: Path) -> None:
    by = "images and masks, by images/ and masks/"
    assert (chosen(write_colors(tmp_path / "a"), None).layout.name, chosen(tmp_path / "a", None).by) == ("colors", by)
    assert chosen(write_cityscapes(tmp_path / "b"), None).layout.name == "cityscapes"
    assert chosen(write_camvid(tmp_path / "c"), None).layout.name == "camvid"
    (tmp_path / "d" / "train").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"no known layout: (?s:.*)\n  cityscapes: leftImg8bit/ and gtFine/"):
        chosen(tmp_path / "d", None)
    (tmp_path / "d" / "trainannot").mkdir()
    assert chosen(tmp_path / "d", None).layout.name == "segnet"


def test_the_folder_below_that_has_a_layout_is_named(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "download" / "cityscapes")
    (tmp_path / "download" / "readme").mkdir()
    with pytest.raises(DatasetError, match=r"but .*download/cityscapes in it has \(Cityscapes, .*: give that folder"):
        convert(tmp_path / "download", tmp_path / "made", ConversionOptions())


def test_a_folder_of_two_layouts_needs_the_name_of_one(tmp_path: Path) -> None:
    source = write_camvid(write_cityscapes(tmp_path / "both"))
    with pytest.raises(DatasetError, match=r"2 layouts: give --layout cityscapes \(Cityscapes, .* or --layout camvid"):
        convert(source, tmp_path / "made", ConversionOptions())
    assert convert(source, tmp_path / "made", ConversionOptions(layout="cityscapes")).layout == "cityscapes"


def test_all_faults_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    (source / "images" / "train" / "000.png").write_bytes(b"no image")
    (source / "masks" / "train" / "001.png").write_bytes(b"")
    cv2.imwrite(str(source / "masks" / "val" / "002.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DatasetError) as caught:
        convert(source, tmp_path / "made", ConversionOptions())
    assert str(caught.value).splitlines()[1:] == [
        "  images/train/000.png: is not an image",
        "  masks/train/001.png: is empty",
        "  masks/val/002.png: 9x9, but its image is 64x48",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_files_without_a_partner_are_faults(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    (source / "images" / "train" / "000.png").unlink()
    (source / "masks" / "val" / "001.png").unlink()
    (source / "images" / "val" / "002.JPG").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        convert(source, tmp_path / "made", ConversionOptions())
    assert str(caught.value).splitlines()[1:] == [
        "  images/val/002.JPG: two images of that name",
        "  images/val/002.png: two images of that name",
        "  masks/train/000.png: no image of that name",
        "  images/val/001.png: no mask of that name",
    ]


def test_a_folder_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    convert(source, tmp_path / "made", ConversionOptions())
    with pytest.raises(OutputError, match="--force"):
        convert(source, tmp_path / "made", ConversionOptions())
    convert(source, tmp_path / "made", ConversionOptions(force=True))
    (tmp_path / "made" / "precious").touch()
    with pytest.raises(OutputError, match="precious, which edgeunet did not write"):
        convert(source, tmp_path / "made", ConversionOptions(force=True))
    assert "precious" in contents(tmp_path / "made")


def test_what_is_done_to_the_copy_does_not_reach_the_source(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    before = contents(source)
    convert(source, tmp_path / "made", ConversionOptions())
    with (tmp_path / "made" / "images" / "val" / "000.png").open("ab") as file:
        file.write(b"more")
    assert contents(source) == before


@pytest.mark.parametrize("target", ["source", "source/made", "."])
def test_the_source_is_never_written_to(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    write_colors(tmp_path / "source", splits=("train", "val"))
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    ran = run("data", "convert", "source", "-o", target, "--force")
    assert ran.code == 2
    assert "the source must not change" in ran.err
    assert contents(tmp_path) == before


def test_what_is_made_of_files_that_may_only_be_read_may_be_written(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    for path in source.rglob("*.*"):
        path.chmod(0o444)
    convert(source, tmp_path / "made", ConversionOptions())
    assert all(path.stat().st_mode & 0o200 for path in (tmp_path / "made").rglob("*.*"))


def test_a_list_cannot_name_what_two_splits_have(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    (tmp_path / "list.txt").write_text("000\n")
    with pytest.raises(DatasetError, match="000 is in several splits"):
        convert(source, tmp_path / "made", ConversionOptions(lists={"train": tmp_path / "list.txt"}))


def test_the_command_says_what_it_made(run: Run, tmp_path: Path) -> None:
    write_colors(tmp_path / "photos", frames=10)
    ran = run("data", "convert", tmp_path / "photos", "-o", tmp_path / "made")
    assert ran.out.splitlines() == [
        f"{tmp_path}/photos: recognised as images and masks, by images/ and masks/",
        f"{tmp_path}/photos (colors): 8 train, 2 val frames → {tmp_path}/made",
        "one drive by its names; val: 1 block(s) of neighbours, 2 frames",
    ]
    assert run("data", "stats", tmp_path / "made").code == 0


def test_the_command_that_an_error_names_mends_it(run: Run, tmp_path: Path) -> None:
    write_colors(tmp_path / "my photos", splits=("train", "val"))
    ran = run("data", "stats", tmp_path / "my photos")
    assert ran.code == 1
    assert ran.out.count(f"`edgeunet data convert '{tmp_path}/my photos' -o '{tmp_path}/my photos-dataset'`") == 2
    assert run("data", "convert", tmp_path / "my photos", "-o", tmp_path / "my photos-dataset").code == 0
    assert run("data", "stats", tmp_path / "my photos-dataset").code == 0


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("{none} -o {out}", 1, "no such folder"),
        ("{empty} -o {out}", 1, "cityscapes: leftImg8bit/ and gtFine/"),
        ("{photos} -o {out} --layout own", 2, "'own': choose one of cityscapes, camvid, "),
        ("{photos} -o {out} --val-share 1.5", 2, "above 0 and below 1"),
        ("{photos} -o {out} --val-share 0.2", 2, "has a val split, which is kept"),
        ("{photos} -o {out} --list val", 2, "SPLIT=FILE such as val=val.txt"),
        ("{photos} -o {out} --list val={none} --val-share 0.2", 2, "give one of them"),
        ("{flat} -o {out} --list val={none}", 1, "no such text file"),
        ("{photos} -o {out} --classes {none}", 1, "no such file; it looks like"),
        ("{cityscapes} -o {out} --classes {none}", 2, "has its own classes: --classes is for "),
    ],
)
def test_wrong_requests_end_with_one_line(run: Run, tmp_path: Path, line: str, code: int, says: str) -> None:
    names = {name: tmp_path / name for name in ("none", "empty", "out", "photos", "flat", "cityscapes")}
    names["empty"].mkdir()
    write_colors(names["photos"], splits=("train", "val"))
    write_colors(names["flat"])
    write_cityscapes(names["cityscapes"])
    before = contents(tmp_path)
    ran = run("data", "convert", *(word.format(**names) for word in line.split()))
    assert ran.code == code
    assert says in ran.err
    assert sum(text.startswith("error: ") for text in ran.err.splitlines()) == 1
    assert contents(tmp_path) == before
