"""YOLO's polygons, as Ultralytics, CVAT, Roboflow and Label Studio lay them out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError, MissingDependencyError
from tests.data.convert.trees import pictures_in
from tests.data.convert.two_frames import CAR, HALF, HEIGHT, ROAD, WIDTH, convert_two, expected, write_images

PLAIN = ConversionOptions()


def line(label: int, corners: list[tuple[int, int]]) -> str:
    return f"{label} " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners) + "\n"


def write_yolo(
    path: Path, yaml: str | None, layout: str = "{kind}/{split}", splits: tuple[str, str] = ("train", "val")
) -> Path:
    """Frame a in the first split, b in the second."""
    for name, split in zip("ab", splits, strict=True):
        write_images(path / layout.format(kind="images", split=split), name)
        labels = path / layout.format(kind="labels", split=split)
        labels.mkdir(parents=True, exist_ok=True)
        (labels / f"{name}.txt").write_text(line(0, ROAD[name]) + line(1, CAR[name]))
    if yaml is not None:
        (path / "data.yaml").write_text(yaml)
    return path


@pytest.mark.parametrize(
    "names",
    [
        "names:\n  0: road\n  1: car\n",
        "names: ['road', 'car']\nnc: 2\n",
        "names:\n- road\n- car\n",
        "path: /content/datasets/x\ntrain: images/train\nval: images/val\ntest:\nnames: {'0': road, '1': car}\n",
        "train: train.txt\nval: [val.txt]\nnames: [road, car]\nroboflow:\n  license: MIT\n",
    ],
)
def test_names_have_many_forms_and_background_comes_first(tmp_path: Path, names: str) -> None:
    done = convert_two(write_yolo(tmp_path / "export", names), PLAIN)
    assert (done.recognised, done.frames) == ("YOLO, by labels/train/a.txt", {"train": 1, "val": 1})
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "road", "car"]


def test_the_folders_of_roboflow(tmp_path: Path) -> None:
    yaml = "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: [road, car]\n"
    source = write_yolo(tmp_path / "export", yaml, "{split}/{kind}", ("train", "valid"))
    assert convert_two(source, PLAIN).frames == {"train": 1, "val": 1}


def test_the_folders_of_label_studio(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", None, "{kind}")
    (source / "classes.txt").write_text("road\ncar\n")
    (source / "notes.json").write_text('{"categories": [{"id": 0, "name": "road"}], "info": {}}')
    convert_two(source)


def test_names_may_come_from_a_list_that_is_given(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", None)
    (tmp_path / "label_colors.txt").write_text("1 2 3 road\n3 2 1 car\n")
    convert_two(source, ConversionOptions(classes=tmp_path / "label_colors.txt"))
    assert '"color": [1, 2, 3]' in (tmp_path / "made" / "classes.json").read_text()


def test_splits_of_any_name_and_lists_of_images(tmp_path: Path) -> None:
    yaml = "train: images/drives\nval: images/night\nnames: [road, car]\n"
    source = write_yolo(tmp_path / "export", yaml, splits=("drives", "night"))
    assert convert_two(source, PLAIN).frames == {"train": 1, "val": 1}
    (tmp_path / "made").rename(tmp_path / "first")
    (source / "data.yaml").write_text("train: train.txt\nval: val.txt\nnames: [road, car]\n")
    (source / "train.txt").write_text("./images/drives/a.png\n")
    (source / "val.txt").write_text("data/images/night/b.png\n")
    assert convert_two(source, PLAIN).frames == {"train": 1, "val": 1}


def test_images_may_be_elsewhere(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", "names: [road, car]\n")
    (tmp_path / "photos").mkdir()
    for file in sorted(source.glob("images/*/*")):
        file.rename(tmp_path / "photos" / file.name)
    with pytest.raises(DatasetError, match=r"labels/train/a.txt: is named, but not there, and 1 more"):
        convert(source, tmp_path / "made", PLAIN)
    convert_two(source, ConversionOptions(images=tmp_path / "photos"))


def test_boxes_are_counted_and_images_without_lines_are_empty(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", "names: [road, car]\n")
    with (source / "labels" / "train" / "a.txt").open("a") as file:
        file.write("1 0.5 0.5 0.1 0.1\n\n")
    write_images(source / "images" / "train", "cd")
    (source / "labels" / "train" / "c.txt").touch()
    done = convert(source, tmp_path / "made", PLAIN)
    assert done.frames == {"train": 3, "val": 1}
    assert done.notes == (
        "left out, because a mask cannot show them: 1 box(es) without a polygon",
        "2 frame(s) have no shape and become all background: check that they are labelled",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2 0 0 1 0 1 1", "has in line 2 the class 2, and the list has 0 to 1"),
        ("-1 0 0 1 0 1 1", "has in line 2 the class -1"),
        ("0 0 0 nan 0 1 1", "has in line 2 a coordinate that is not from 0 to 1"),
        ("0 0 0 640 0 640 480", "has in line 2 a coordinate that is not from 0 to 1"),
        ("0 0 0 1 0 1", "has in line 2 5 coordinates"),
        ("0 0 0", "has in line 2 2 coordinates"),
        ("0.5 0 0 1 0 1 1", "has in line 2 the class 0.5"),
        ("car 0 0 1 0 1 1", "has in line 2 something that is not a number"),
        ("\xff", "line 2, is not UTF-8"),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, text: str, says: str) -> None:
    source = write_yolo(tmp_path / "export", "names: [road, car]\n")
    with (source / "labels" / "train" / "a.txt").open("w", encoding="latin-1") as file:
        file.write(f"0 0 0 1 0 1 1\n{text}\n")
    with pytest.raises(DatasetError, match=rf"\n  labels/train/a.txt: {says}"):
        convert(source, tmp_path / "made", PLAIN)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("names: [road", "is not a data.yaml of YOLO"),
        ("names: 5\n", "names: expected"),
        ("- a\n", "is not a data.yaml of YOLO"),
        ("names: {0: road, 9000000: car}\n", "has a class 9000000 in its data.yaml, of 2 names"),
        (f"names: {list(map(str, range(10_000)))}\n", "has 10001 classes, and a network at most 254"),
        ("names: []\n", "has no names of its classes"),
        (None, "has no names of its classes"),
        ("a: &a [x,x]\nb: &b [*a,*a]\nnames: [*b]\n", r"names\[0\]: expected a whole number or text"),
    ],
)
def test_a_data_yaml_that_is_none_is_refused(tmp_path: Path, yaml: str | None, says: str) -> None:
    source = write_yolo(tmp_path / "export", yaml)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", PLAIN)


def test_without_pyyaml_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_yolo(tmp_path / "export", "names: [road, car]\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeunet\[labels\]'"):
        convert(source, tmp_path / "made", HALF)


def test_files_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", "names: [road, car]\n")
    for file in source.rglob("*.txt"):
        file.write_text(file.read_text(), encoding="utf-8-sig")
    convert_two(source, PLAIN)


def test_an_export_in_a_folder_of_its_own_is_named(tmp_path: Path) -> None:
    write_yolo(tmp_path / "outer" / "export", None, "{kind}")
    (tmp_path / "outer" / "export" / "classes.txt").write_text("road\ncar\n")
    with pytest.raises(DatasetError, match=r"outer/export in it has \(YOLO, by labels/a.txt\): give that folder"):
        convert(tmp_path / "outer", tmp_path / "made", PLAIN)


def test_a_list_with_an_impossible_name_counts_as_absent(tmp_path: Path) -> None:
    yaml = f"train: images/train\nval: {'a' * 5000}.txt\nnames: [road, car]\n"
    convert_two(write_yolo(tmp_path / "export", yaml), PLAIN)


def test_classes_that_are_numbers_are_read_as_programs_write_them(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", "names: [3, 7]\n")
    for file in source.rglob("*.txt"):
        objects = np.atleast_2d(np.loadtxt(file))
        np.savetxt(file, objects)  # with the class as 0.000e+00
    convert(source, tmp_path / "made", PLAIN)
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "3", "7"]
    masks = pictures_in(tmp_path / "made" / "masks" / "train")
    assert (masks["a.png"] == expected("a")).mean() > 0.99


def test_a_damaged_first_line_is_named_where_a_data_yaml_is(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "export", "names: [road, car]\n")
    for file in source.rglob("*.txt"):
        file.write_text("0 0,1 0,1 0,9 0,1 0,9 0,9\n")
    with pytest.raises(DatasetError, match=r"labels/train/a.txt: has in line 1 something that is not a number"):
        convert(source, tmp_path / "made", PLAIN)
