"""LabelMe's JSON."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import contents
from tests.data.convert.two_frames import CAR, HALF, HEIGHT, ROAD, WIDTH, convert_two, filled, made_masks, write_images


def shape(label: str, points: object, kind: str | None = "polygon", mask: str | None = None) -> dict[str, object]:
    return {"label": label, "points": points, "shape_type": kind, "mask": mask, "group_id": None, "flags": {}}


def packed(pixels: object) -> str:
    return base64.b64encode(cv2.imencode(".png", np.asarray(pixels, np.uint8))[1].tobytes()).decode()


def write_json(path: Path, name: str, *shapes: object, **more: Any) -> None:
    fields = {"imagePath": f"{name}.png", "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}
    path.mkdir(parents=True, exist_ok=True)
    (path / f"{name}.json").write_text(json.dumps({"version": "5.5.0", "flags": {}, "shapes": shapes, **fields}))


def write_labelme(path: Path, **more: Any) -> Path:
    """a with polygons; b with a rectangle and a mask of the pixels 20 to 50 and 30 to 38."""
    write_images(path)
    write_json(path, "a", shape("road", ROAD["a"], None), shape("car", [(38, 25), (25, 36)], "rectangle"), **more)
    mask = packed(255 * filled(CAR["b"])[30:39, 20:51])
    write_json(path, "b", shape("road", ROAD["b"]), shape("car", [(20, 30), (50, 38)], "mask", mask))
    return path


def test_polygons_rectangles_and_masks_are_drawn(tmp_path: Path) -> None:
    done = convert_two(write_labelme(tmp_path / "export"))
    assert (done.recognised, done.notes) == ("LabelMe, by a.json", ())
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "road", "car"]
    assert len({tuple(c["color"]) for c in listed}) == 3


def test_a_file_is_recognised_whose_shapes_and_image_are_large(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    for name in "ab":
        fields = json.loads((source / f"{name}.json").read_text())
        fields["shapes"].insert(0, shape("road", [ROAD[name][0]] * 20_000))
        fields["imageData"] = base64.b64encode((source / f"{name}.png").read_bytes() + bytes(100_000)).decode()
        (source / f"{name}.json").write_text(json.dumps(fields))
    convert_two(source)


def test_circles_ignored_labels_background_and_shapes_without_area(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    shapes = [
        shape("road", [(30, 24), (30, 14)], "circle"),
        shape("__ignore__", [(0, 0), (5, 5)], "rectangle"),
        shape("_background_", [(28, 22), (32, 26)], "rectangle"),
        shape("road", [(1, 1), (9, 9)], "line"),
        shape("road", [(1, 1), (9, 9), (4, 7)], "linestrip"),
        shape("road", [(1, 1)], "point"),
        shape("road", [(1, 1)], "hexagram"),
    ]
    write_json(source, "a", *shapes)
    done = convert(source, tmp_path / "made", HALF)
    assert done.notes == ("left out, because a mask cannot show them: 2 line(s), 1 point(s), 1 hexagram shape(s)",)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 30) ** 2 + (y - 24) ** 2 <= 100
    disc[22:27, 28:33] = 0
    wanted = np.where((x < 6) & (y < 6), 255, disc)
    assert (made_masks(tmp_path / "made")["a"] == wanted).mean() > 0.98


def test_an_image_may_be_inside_or_in_another_folder(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    inside = (source / "a.png").read_bytes()
    (source / "a.png").unlink()
    (source / "photos").mkdir()
    (source / "b.png").rename(source / "photos" / "b.png")
    read = {name: json.loads((source / f"{name}.json").read_text()) for name in "ab"}
    read["a"]["imageData"] = base64.b64encode(inside).decode()
    read["b"]["imagePath"] = "..\\elsewhere\\photos\\b.png"
    for name, fields in read.items():
        (source / f"{name}.json").write_text(json.dumps(fields))
    convert_two(source)
    assert inside in contents(tmp_path / "made").values()
    (source / "photos" / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"b.png: is named, but not there"):
        convert(source, tmp_path / "more", HALF)


def test_folders_are_splits_and_names_that_are_twice_get_the_folder(tmp_path: Path) -> None:
    for folder in ("train/one", "train/two", "val"):
        write_labelme(tmp_path / "export" / folder)
    done = convert(tmp_path / "export", tmp_path / "made", ConversionOptions())
    assert done.frames == {"train": 4, "val": 2}
    names = {p.name for p in (tmp_path / "made" / "masks").rglob("*.png")}
    assert names == {"train_one_a.png", "train_one_b.png", "train_two_a.png", "train_two_b.png", "a.png", "b.png"}


def test_images_without_a_json_are_counted(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    write_images(source, "cd")
    note = "2 image(s) have no labels and are left out, such as c.png"
    assert convert(source, tmp_path / "made", HALF).notes == (note,)


def test_a_list_of_classes_says_which_and_in_which_order(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    (tmp_path / "list.csv").write_text("value,name,color,ignore\n1,car,#010203,\n2,road,#030201,no\n")
    convert_two(source, ConversionOptions(val_share=0.5, classes=tmp_path / "list.csv"))
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [(c["name"], c["color"]) for c in listed] == [
        ("background", [0, 0, 0]),
        ("car", [1, 2, 3]),
        ("road", [3, 2, 1]),
    ]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (shape("car", [(1, 1), (2, 2), (3, 3)], "circle"), "a.json: has a circle of 3 points: it has 2"),
        (shape("car", [(1, 1), (2, 2)], "mask", "%"), "a.json: has a mask that is not base64"),
        (shape("car", [(1, 1), (2, 2)], "mask", "aGk="), "a.json: has a mask that is not an image"),
        (shape("car", [(1, 1), (2, 2, 2)]), r"shapes\[0\].points\[1\]: expected a list of length 2"),
        (shape("car", [(1, 1), (2, "2")]), r"shapes\[0\].points\[1\]\[1\]: expected a number, got text"),
        ({"label": "car"}, "points.* is missing"),
    ],
)
def test_damaged_shapes_are_named(tmp_path: Path, bad: object, says: str) -> None:
    source = write_labelme(tmp_path / "export")
    write_json(source, "a", bad)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"imageHeight": 99}, "a.json: 64x99, but its image is 64x48"),
        ({"imageHeight": -1}, "imageHeight: expected a whole number >= 1"),
        ({"imageHeight": float("nan")}, "is not a LabelMe file"),
        ({"imagePath": "../c.png"}, r"\.\./c.png: is named, but not there"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, more: dict[str, object], says: str) -> None:
    source = write_labelme(tmp_path / "export", **more)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)


def test_a_damaged_file_beside_its_image_is_not_passed_over(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    (source / "a.json").write_text("shapes")
    with pytest.raises(DatasetError, match=r"a.json is not a LabelMe file"):
        convert(source, tmp_path / "made", HALF)


def test_a_file_nested_too_deep_is_refused(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export", extra=None)
    text = (source / "a.json").read_text().replace('"extra": null', '"extra": ' + "[" * 10_000 + "]" * 10_000)
    (source / "a.json").write_text(text)
    with pytest.raises(DatasetError, match="nested too deep"):
        convert(source, tmp_path / "made", HALF)


def test_an_export_without_shapes_has_no_labels(tmp_path: Path) -> None:
    write_images(tmp_path / "export")
    write_json(tmp_path / "export", "a")
    with pytest.raises(DatasetError, match="has no labels: label some frames"):
        convert(tmp_path / "export", tmp_path / "made", HALF)


def test_an_embedded_image_that_is_none_is_named(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export", imageData="AAAA")
    (source / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"a.json: has an imageData that is not an image"):
        convert(source, tmp_path / "made", HALF)


def test_blanks_around_a_label_do_not_count_and_spellings_are_named(tmp_path: Path) -> None:
    source = write_labelme(tmp_path / "export")
    write_json(source, "b", shape("road ", ROAD["b"]), shape("Car", [(20, 30), (50, 38)], "rectangle"))
    warnings = convert(source, tmp_path / "made", HALF).warnings
    assert warnings == ("car and Car are separate classes: if they mean the same, give them one name in the source",)
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "road", "car", "Car"]
