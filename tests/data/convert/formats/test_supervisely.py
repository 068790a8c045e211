"""Supervisely's projects."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import write
from tests.data.convert.two_frames import (
    CAR,
    HALF,
    HEIGHT,
    ROAD,
    WIDTH,
    convert_two,
    expected,
    filled,
    made_masks,
    write_images,
)


def drawn(label: str, kind: str, exterior: object = (), interior: object = ()) -> dict[str, object]:
    points = {"exterior": exterior, "interior": interior}
    return {"id": 1, "classTitle": label, "geometryType": kind, "points": points, "tags": []}


def bitmap(label: str, data: bytes, origin: tuple[int, int]) -> dict[str, object]:
    packed = {"data": base64.b64encode(data).decode(), "origin": origin}
    return {"classTitle": label, "geometryType": "bitmap", "bitmap": packed}


def png(pixels: object) -> bytes:
    """As Supervisely packs it: white with alpha."""
    alpha = 255 * np.asarray(pixels, np.uint8)
    return zlib.compress(cv2.imencode(".png", np.dstack([np.full_like(alpha, 255)] * 3 + [alpha]))[1].tobytes())


def annotation(*objects: object, width: int = WIDTH) -> str:
    return json.dumps({"description": "", "size": {"height": HEIGHT, "width": width}, "objects": objects, "tags": []})


def write_project(path: Path, datasets: tuple[str, str] = ("ds0", "ds0")) -> Path:
    objects = {
        "a": [drawn("road", "polygon", ROAD["a"]), drawn("car", "rectangle", [CAR["a"][0], CAR["a"][2]])],
        "b": [drawn("road", "polygon", ROAD["b"]), bitmap("car", png(filled(CAR["b"])[20:44, 10:]), (10, 20))],
    }
    for name, folder in zip("ab", datasets, strict=True):
        write_images(path / folder / "img", name)
        (path / folder / "ann").mkdir(exist_ok=True)
        (path / folder / "ann" / f"{name}.png.json").write_text(annotation(*objects[name]))
    classes = [{"title": "road", "shape": "polygon", "color": "#800000"}, {"title": "car", "shape": "any"}]
    (path / "meta.json").write_text(json.dumps({"classes": classes, "tags": [], "projectType": "images"}))
    return path


def test_polygons_rectangles_and_bitmaps_are_drawn(tmp_path: Path) -> None:
    done = convert_two(write_project(tmp_path / "export"))
    assert done.recognised == "Supervisely, by meta.json and ann/"
    assert '"color": [128, 0, 0]' in (tmp_path / "made" / "classes.json").read_text()


def test_datasets_may_be_splits(tmp_path: Path) -> None:
    source = write_project(tmp_path / "export", ("train", "datasets/valid"))
    assert convert_two(source, ConversionOptions()).frames == {"train": 1, "val": 1}


def test_holes_show_what_is_below(tmp_path: Path) -> None:
    source = write_project(tmp_path / "export")
    hole = [(28, 28), (35, 28), (35, 33), (28, 33)]
    objects = [drawn("road", "polygon", ROAD["a"]), drawn("car", "polygon", CAR["a"], [hole])]
    more = [drawn("car", "point", [(1, 1)]), drawn("car", "line", [(1, 1), (2, 2)]), drawn("car", "alpha_mask")]
    (source / "ds0" / "ann" / "a.png.json").write_text(annotation(*objects, *more))
    done = convert(source, tmp_path / "made", HALF)
    wanted = np.where(filled(hole), 1, expected("a"))
    assert np.array_equal(made_masks(tmp_path / "made")["a"], wanted)
    assert done.notes == ("left out, because a mask cannot show them: 1 point(s), 1 line(s), 1 alpha_mask object(s)",)


def test_two_files_of_a_name_in_two_datasets_are_two_frames(tmp_path: Path) -> None:
    source = write_project(tmp_path / "export")
    write(source / "ds1" / "img" / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (source / "ds1" / "ann").mkdir()
    (source / "ds1" / "ann" / "a.png.json").write_text(annotation())
    convert(source, tmp_path / "made", ConversionOptions(val_share=0.4))
    assert {p.name for p in (tmp_path / "made" / "masks").rglob("*.png")} == {
        "b.png",
        "ds0_img_a.png",
        "ds1_img_a.png",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (annotation(width=99), "99x48, but its image is 64x48"),
        (annotation(bitmap("car", b"no", (0, 0))), "has a bitmap that cannot be unpacked"),
        (annotation(bitmap("car", zlib.compress(b"no"), (0, 0))), "has a bitmap that is not an image"),
        (annotation(drawn("car", "polygon", [(1, 1, 1)])), "expected a list of length 2"),
        (
            annotation(drawn("car", "polygon", [(0, 0), (1e8, 0), (1e8, 1e8)])),
            r"the coordinate 1e\+08",
        ),
        (annotation(drawn("bus", "polygon", ROAD["a"])), r"1 label\(s\) that .*meta.json does not have(?s:.*)bus: "),
        ("{", "is not a Supervisely annotation"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, text: str, says: str) -> None:
    source = write_project(tmp_path / "export")
    (source / "ds0" / "ann" / "a.png.json").write_text(text)
    with pytest.raises(DatasetError, match=f"{says}(?s:.*)" if "bus" in says else rf"ds0/ann/a.png.json.*{says}"):
        convert(source, tmp_path / "made", HALF)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    source = write_project(tmp_path / "export")
    (source / "ds0" / "img" / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"ds0/img/a.png: is named, but not there"):
        convert(source, tmp_path / "made", HALF)
