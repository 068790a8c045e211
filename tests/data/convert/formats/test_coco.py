"""COCO's JSON as CVAT, Label Studio and Roboflow write it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_lengths

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import contents, pictures_in, write

SIZE = (24, 32)
HALF = ConversionOptions(val_share=0.5)
SQUARE = [4.0, 4.0, 11.0, 4.0, 11.0, 9.0, 4.0, 9.0]


def annotation(image: int, category: int, segmentation: object) -> dict[str, object]:
    return {"id": 1, "image_id": image, "category_id": category, "segmentation": segmentation, "bbox": [0, 0, 1, 1]}


def write_coco(
    path: Path,
    *annotations: dict[str, object],
    file: str = "annotations/instances_default.json",
    folder: str = "images",
    **more: Any,
) -> Path:
    """Two frames, a and b; categories with gaps, the car before the road."""
    for name in "ab":
        write(path / folder / f"{name}.png", np.full((*SIZE, 3), ord(name), np.uint8))
    coco = {
        "images": [{"id": i, "file_name": f"{n}.png", "height": 24, "width": 32} for i, n in enumerate("ab")],
        "categories": [{"id": 3, "name": "car"}, {"id": 7, "name": "road"}],
        "annotations": annotations,
        **more,
    }
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    (path / file).write_text(json.dumps(coco))
    return path


def masks(made: Path) -> dict[str, Any]:
    return {name: mask for split in (made / "masks").iterdir() for name, mask in pictures_in(split).items()}


def test_polygons_and_both_kinds_of_run_lengths_are_drawn_in_their_order(tmp_path: Path) -> None:
    blob = np.zeros(SIZE, np.uint8)
    blob[6:12, 8:20] = 1
    packed = run_lengths.encode(np.asfortranarray(blob))
    columns = blob.T.ravel()
    plain = np.diff(np.flatnonzero(np.diff(columns, prepend=2, append=2))).tolist()  # begins with zeros
    source = write_coco(
        tmp_path / "export",
        annotation(0, 7, [SQUARE, [20.0, 4.0, 25.0, 4.0, 25.0, 9.0, 20.0, 9.0]]),
        annotation(0, 3, {"size": SIZE, "counts": packed["counts"].decode()}),
        annotation(1, 3, {"size": SIZE, "counts": plain}),
        annotation(1, 7, []),
    )
    before = contents(source)
    done = convert(source, tmp_path / "made", HALF)
    expected = np.zeros(SIZE, np.uint8)
    expected[4:10, 4:12] = expected[4:10, 20:26] = 2
    expected[6:12, 8:20] = 1
    assert np.array_equal(masks(tmp_path / "made")["a.png"], expected)
    assert np.array_equal(masks(tmp_path / "made")["b.png"], blob)
    assert done.notes == ("left out, because a mask cannot show them: 1 box(es) without a segmentation",)
    assert done.recognised == "COCO, by annotations/instances_default.json"
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "car", "road"]
    assert contents(source) == before


def test_the_folders_of_roboflow_are_splits_and_its_group_is_no_class(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "objects", "supercategory": "none"},
        {"id": 1, "name": "car", "supercategory": "objects"},
    ]
    for split in ("train", "valid"):
        write_coco(
            tmp_path / "export",
            annotation(0, 1, [SQUARE]),
            file=f"{split}/_annotations.coco.json",
            folder=split,
            categories=categories,
        )
    done = convert(tmp_path / "export", tmp_path / "made", ConversionOptions())
    assert done.frames == {"train": 2, "val": 2}
    assert done.notes == ("2 frame(s) have no shape and become all background: check that they are labelled",)
    assert '"objects"' not in (tmp_path / "made" / "classes.json").read_text()


def test_images_that_were_not_saved_are_looked_for_in_a_folder_that_is_given(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "export", annotation(0, 3, [SQUARE]), annotation(1, 7, [SQUARE]))
    (source / "images").rename(tmp_path / "photos")
    with pytest.raises(
        DatasetError,
        match=r"2 problem\(s\):\n  a.png: is named, but not there, and 1 more (?s:.*) or give --images DIR",
    ):
        convert(source, tmp_path / "made", HALF)
    done = convert(source, tmp_path / "made", ConversionOptions(val_share=0.5, images=tmp_path / "photos"))
    assert done.frames == {"train": 1, "val": 1}


def test_a_file_for_each_split_names_images_of_the_same_name(tmp_path: Path) -> None:
    source = tmp_path / "export"
    for split, category in (("train2017", 3), ("val2017", 7)):
        write_coco(
            source,
            annotation(0, category, [SQUARE]),
            file=f"annotations/instances_{split}.json",
            folder=f"images/{split}",
        )
        captions = {"images": [], "annotations": [{"image_id": 0, "caption": "a"}]}
        (source / "annotations" / f"captions_{split}.json").write_text(json.dumps(captions))
        shutil.copy(
            source / f"annotations/instances_{split}.json", source / f"annotations/person_keypoints_{split}.json"
        )
        write(source / f"images/{split}/a.png", np.full((*SIZE, 3), category, np.uint8))
    done = convert(source, tmp_path / "made", ConversionOptions())
    assert done.frames == {"train": 2, "val": 2}
    images = {split: pictures_in(tmp_path / "made" / "images" / split)["a.png"].max() for split in ("train", "val")}
    assert images == {"train": 3, "val": 7}
    assert done.recognised == "COCO, by annotations/instances_train2017.json"
    made = {split: pictures_in(tmp_path / "made" / "masks" / split)["a.png"].max() for split in ("train", "val")}
    assert made == {"train": 1, "val": 2}


def test_the_file_of_label_studio(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"images\\{name}.png", "width": 32, "height": 24} for i, name in enumerate("ab")]
    shapes = (annotation(0, 3, [SQUARE]), annotation(1, 7, [SQUARE]))
    source = write_coco(tmp_path / "export", *shapes, file="result.json", images=images, info={"year": 2026})
    assert convert(source, tmp_path / "made", HALF).recognised == "COCO, by result.json"


@pytest.mark.parametrize(
    ("segmentation", "says"),
    [
        ([[1, 2, 3]], "a.png: has a polygon of 3 numbers"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], r"a.png: has a polygon with the coordinate 1e\+09"),
        ({"size": [9, 9], "counts": [81]}, "a.png: 9x9, but its image is 32x24"),
        ({"size": [24, 32], "counts": [5, 5]}, "a.png: has run lengths of 10 pixels for a mask of 32x24"),
        ({"size": [24, 32], "counts": [-5, 773]}, "a.png: has a run length below 0, -5"),
        ({"size": [24, 32], "counts": "0ooo"}, "a.png: has packed run lengths that are cut or damaged"),
        ({"size": [24, 32], "counts": "00"}, "a.png: has run lengths"),
        ("mask", "a.png: has a segmentation that is neither polygons nor run lengths"),
    ],
)
def test_damaged_shapes_are_named(tmp_path: Path, segmentation: object, says: str) -> None:
    source = write_coco(tmp_path / "export", annotation(0, 3, segmentation), annotation(1, 7, [SQUARE]))
    with pytest.raises(DatasetError, match=f"annotations/instances_default.json: {says}"):
        convert(source, tmp_path / "made", HALF)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_shapes_without_area_and_outside_of_the_frame_are_counted(tmp_path: Path) -> None:
    far = [100.0, 100.0, 120.0, 100.0, 120.0, 120.0]
    over = [28.0, 20.0, 99.0, 20.0, 99.0, 99.0, 28.0, 99.0]
    source = write_coco(
        tmp_path / "export", annotation(0, 3, [[1, 1, 5, 5]]), annotation(0, 3, [far]), annotation(1, 7, [over])
    )
    done = convert(source, tmp_path / "made", HALF)
    kinds = "1 polygon(s) with fewer than 3 points, 1 shape(s) outside of the frame"
    assert done.notes == (f"left out, because a mask cannot show them: {kinds}",)
    expected = np.zeros(SIZE, np.uint8)
    expected[20:, 28:] = 2
    assert np.array_equal(masks(tmp_path / "made")["b.png"], expected)


def test_labels_that_a_given_list_lacks_are_counted_in_pixels(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "export", annotation(0, 3, [SQUARE]), annotation(1, 7, [SQUARE]))
    (tmp_path / "label_colors.txt").write_text("0 0 0 background\n9 9 9 road\n")
    options = ConversionOptions(val_share=0.5, classes=tmp_path / "label_colors.txt")
    with pytest.raises(DatasetError, match=r"1 label\(s\) that .*_colors.txt does not have, 3.1 %(?s:.*)car: 48 pix"):
        convert(source, tmp_path / "made", options)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"images": []}, "has no image with labels"),
        ({"categories": []}, "has no labels"),
        (
            {"categories": [{"id": i, "name": str(i)} for i in range(10_000)]},
            "has 10001 classes, and a network at most 254",
        ),
        ({"images": [{"id": 0, "file_name": "a.png", "height": -1, "width": 5}]}, r"images\[0\].height"),
        ({"images": [{"id": 0, "file_name": "../../a.svg"}]}, r"\.\./\.\./a.svg: is named, but not there"),
        ({"images": [{"id": 0, "file_name": ""}]}, "is named, but not there"),
    ],
)
def test_an_export_without_the_needed_is_refused(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    source = write_coco(tmp_path / "export", **more)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)


def test_two_files_of_a_name_in_different_folders_are_two_frames(tmp_path: Path) -> None:
    source = write_coco(
        tmp_path / "export",
        annotation(0, 3, [SQUARE]),
        folder="images/one",
        images_=None,
    )
    write(source / "images" / "two" / "a.png", np.full((*SIZE, 3), 7, np.uint8))
    file = source / "annotations" / "instances_default.json"
    coco = json.loads(file.read_text())
    coco["images"] = [{"id": i, "file_name": f"../{folder}/a.png"} for i, folder in enumerate(("one", "two"))]
    file.write_text(json.dumps(coco))
    convert(source, tmp_path / "made", HALF)
    assert {p.name for p in (tmp_path / "made").rglob("*.png")} == {"images_one_a.png", "images_two_a.png"}


@pytest.mark.parametrize("content", [b"", bytes(range(256))])
def test_a_damaged_file_is_not_passed_over_where_others_are_whole(tmp_path: Path, content: bytes) -> None:
    for name, file in (("coco", "annotations/instances_{}.json"), ("roboflow", "{}/_annotations.coco.json")):
        source = write_coco(tmp_path / name, file=file.format("val"))
        damaged = source / file.format("train")
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_bytes(content)
        with pytest.raises(DatasetError, match=rf"{damaged.name} is not a COCO file"):
            convert(source, tmp_path / "made", ConversionOptions())


def test_annotations_of_images_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "export", annotation(0, 7, [SQUARE]), annotation(9, 7, [SQUARE]))
    done = convert(source, tmp_path / "made", HALF)
    assert "1 annotation(s) of images that are not listed are left out" in done.notes


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"categories": [{"id": 3, "name": "car"}, {"id": 3, "name": "road"}]},
            "two categories of the id 3, car and road",
        ),
        (
            {"categories": [{"id": i, "name": f"c{i}"} for i in range(300)]},
            "has 301 classes, and a network at most 254: list those that you need in a file for --classes",
        ),
    ],
)
def test_categories_that_no_network_can_have_are_refused(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        convert(write_coco(tmp_path / "export", annotation(0, 3, [SQUARE]), **more), tmp_path / "made", HALF)


def test_of_many_categories_those_of_a_list_are_kept(tmp_path: Path) -> None:
    categories = [{"id": i, "name": f"c{i}"} for i in range(300)]
    source = write_coco(
        tmp_path / "export", annotation(0, 3, [SQUARE]), annotation(0, 4, [SQUARE]), categories=categories
    )
    (tmp_path / "few.csv").write_text("value,name\n0,background\n1,c4\n")
    done = convert(
        source, tmp_path / "made", ConversionOptions(val_share=0.5, classes=tmp_path / "few.csv", ignore_unknown=True)
    )
    assert sum(done.frames.values()) == 2


def test_a_file_in_utf_16_is_named(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "export", annotation(0, 3, [SQUARE]))
    file = source / "annotations" / "instances_default.json"
    file.write_text(file.read_text(), encoding="utf-16")
    with pytest.raises(
        DatasetError, match=r"instances_default.json is not a COCO file \(it is UTF-16: save it as UTF-8"
    ):
        convert(source, tmp_path / "made", HALF)


def test_an_image_in_two_splits_is_refused(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "export", annotation(0, 3, [SQUARE]), file="annotations/instances_train.json")
    shutil.copy(source / "annotations/instances_train.json", source / "annotations/instances_val.json")
    with pytest.raises(DatasetError, match=r"images/a.png: is named for train and for val: a frame is in one split"):
        convert(source, tmp_path / "made", ConversionOptions())


@pytest.mark.parametrize("write_id", [str, float])
def test_ids_that_a_program_wrote_in_two_ways_are_the_same(tmp_path: Path, write_id: type) -> None:
    images = [{"id": write_id(i), "file_name": f"{n}.png"} for i, n in enumerate("ab")]
    categories = [{"id": write_id(3), "name": "car"}, {"id": write_id(7), "name": "road"}]
    source = write_coco(tmp_path / "export", annotation(0, 7, [SQUARE]), images=images, categories=categories)
    convert(source, tmp_path / "made", HALF)
    assert masks(tmp_path / "made")["a.png"][6, 6] == 2
