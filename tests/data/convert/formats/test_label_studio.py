"""Label Studio's brush masks, with the JSON that says their images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import pictures_in, write
from tests.data.convert.two_frames import CAR, HALF, ROAD, convert_two, filled, write_images

TASKS = [
    {"id": 17, "file_upload": "0a1b2c3d-a.png", "data": {"image": "/data/upload/1/0a1b2c3d-a.png"}, "annotations": []},
    {"id": 18, "data": {"image": "/data/local-files/?d=photos/b.png"}, "annotations": [{"id": 4}]},
]


def write_brushes(path: Path, tasks: object = TASKS) -> Path:
    for name, task in (("a", 17), ("b", 18)):
        for label, corners in (("road", ROAD[name]), ("the-car", CAR[name])):
            file = path / f"task-{task}-annotation-4-by-2-tag-{label}-0.png"
            write(file, 255 * filled(corners).astype(np.uint8))
    write_images(path / "images")
    (path / "project-1.json").write_text(json.dumps(tasks))
    return path


def test_a_mask_of_each_label_becomes_one(tmp_path: Path) -> None:
    source = write_brushes(tmp_path / "export")
    done = convert(source, tmp_path / "made", HALF)
    listed = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "road", "the-car"]
    assert done.recognised.startswith("Label Studio's brush masks, by task-1")


def test_masks_are_laid_over_each_other_in_the_order_of_their_names(tmp_path: Path) -> None:
    source = write_brushes(tmp_path / "export")
    for task in (17, 18):
        (source / f"task-{task}-annotation-4-by-2-tag-the-car-0.png").rename(
            source / f"task-{task}-annotation-4-by-2-zag-car-0.png"
        )
    convert_two(source)


def test_of_several_annotations_the_last_counts(tmp_path: Path) -> None:
    source = write_brushes(tmp_path / "export")
    write(source / "task-17-annotation-3-by-9-tag-road-0.png", np.full((48, 64), 255, np.uint8))
    assert convert(source, tmp_path / "made", HALF).notes == ("1 earlier annotation(s) of the same tasks are left out",)
    made = [mask for split in (tmp_path / "made" / "masks").iterdir() for mask in pictures_in(split).values()]
    assert all(mask[0, 0] == 0 for mask in made)


def test_images_may_be_elsewhere(tmp_path: Path) -> None:
    source = write_brushes(tmp_path / "export")
    (source / "images").rename(tmp_path / "photos")
    with pytest.raises(DatasetError, match=r"a.png: is named, but not there(?s:.*)--images DIR"):
        convert(source, tmp_path / "made", HALF)
    options = ConversionOptions(val_share=0.5, images=tmp_path / "photos")
    assert convert(source, tmp_path / "made", options).frames == {"train": 1, "val": 1}


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        (TASKS[:1], "has masks of task 18, which its JSON does not have"),
        ({}, "has 0 JSON files of Label Studio, and one is needed"),
        ([{"id": "x"}], r"is not Label Studio's JSON \(\[0\].id: expected a whole number"),
        ([{"id": 17}, {"id": 18}], "an image without a name: is named, but not there"),
    ],
)
def test_the_json_is_needed(tmp_path: Path, tasks: object, says: str) -> None:
    source = write_brushes(tmp_path / "export", tasks)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    source = write_brushes(tmp_path / "export")
    write(source / "task-17-annotation-4-by-2-tag-road-0.png", np.full((9, 9), 255, np.uint8))
    with pytest.raises(DatasetError, match=r"tag-road-0.png: 9x9, but its image is 64x48"):
        convert(source, tmp_path / "made", HALF)


def test_a_damaged_mask_is_named_once(tmp_path: Path) -> None:
    source = write_brushes(tmp_path / "export")
    names = [f"task-17-annotation-4-by-2-tag-{label}-0.png" for label in ("road", "the-car")]
    (source / names[0]).write_bytes(b"")
    with pytest.raises(DatasetError, match=rf"\n  {names[0]}: is empty"):
        convert(source, tmp_path / "made", HALF)
