"""CVAT's XML of images, and its export in CamVid's layout."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import colored, write
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

LABELS = (
    "<label><name>road</name><color>#800000</color></label>"
    "<label><name>car</name><color>#008000</color><attributes><attribute><name>make</name></attribute></attributes>"
    "</label>"
)


def polygon(label: str, corners: list[tuple[int, int]], z: int = 0) -> str:
    points = ";".join(f"{x}.00,{y}.00" for x, y in corners)
    return f'<polygon label="{label}" points="{points}" z_order="{z}"><attribute name="make">x</attribute></polygon>'


def run_lengths(label: str, corners: list[tuple[int, int]], z: int = 0) -> str:
    """A polygon as a mask of the whole frame's height, but columns 10 to 60."""
    pixels = filled(corners)[:, 10:60].ravel().tolist()
    counts = [len(list(run)) for _, run in groupby([False, *pixels])]
    counts[0] -= 1  # the one that was put before, so that the first run is of zeros
    rle = ", ".join(map(str, counts))
    return f'<mask label="{label}" rle="{rle}" left="10" top="0" width="50" height="{HEIGHT}" z_order="{z}"/>'


def image(name: str, *shapes: str, width: int = WIDTH, subset: str = "default") -> str:
    inside = "".join(shapes)
    return f'<image id="0" name="{name}" subset="{subset}" width="{width}" height="{HEIGHT}">{inside}</image>'


def write_xml(path: Path, *images: str, labels: str = LABELS, before: str = "") -> Path:
    write_images(path / "images")
    text = f'<?xml version="1.0"?>{before}<annotations><meta><task><labels>{labels}</labels></task></meta>'
    (path / "annotations.xml").write_text(f"{text}{''.join(images)}</annotations>")
    return path


GOOD_B = image("b.png", polygon("road", ROAD["b"]), polygon("car", CAR["b"], 1))


def test_shapes_are_drawn_by_z_order(tmp_path: Path) -> None:
    box = '<box label="car" xtl="25" ytl="25" xbr="38" ybr="36" z_order="1"/>'
    source = write_xml(
        tmp_path / "export",
        image("a.png", box, polygon("road", ROAD["a"])),
        image("b.png", polygon("road", ROAD["b"]), run_lengths("car", CAR["b"])),
    )
    done = convert_two(source)
    assert (done.recognised, done.notes) == ("CVAT for images, by annotations.xml", ())
    assert '"color": [128, 0, 0]' in (tmp_path / "made" / "classes.json").read_text()


def test_boxes_turn_around_their_middle_and_ellipses_are_round(tmp_path: Path) -> None:
    turned = '<box label="car" xtl="20" ytl="22" xbr="44" ybr="26" rotation="90"/>'
    ellipse = '<ellipse label="road" cx="30" cy="24" rx="20" ry="10"/>'
    upright = '<ellipse label="road" cx="30" cy="24" rx="20" ry="10" rotation="90"/>'
    source = write_xml(tmp_path / "export", image("a.png", ellipse, turned), image("b.png", upright))
    convert(source, tmp_path / "made", HALF)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    round_ = (x - 30) ** 2 / 400 + (y - 24) ** 2 / 100 <= 1
    box = (abs(x - 32) <= 2) & (abs(y - 24) <= 12)
    masks = made_masks(tmp_path / "made")
    assert (masks["a"] == np.where(box, 2, round_)).mean() > 0.97
    tall = (x - 30) ** 2 / 100 + (y - 24) ** 2 / 400 <= 1
    assert (masks["b"] == tall).mean() > 0.97


def test_the_file_may_have_another_name(tmp_path: Path) -> None:
    a = image("a.png", polygon("road", ROAD["a"]), polygon("car", CAR["a"], 1))
    source = write_xml(tmp_path / "export", a, GOOD_B)
    (source / "annotations.xml").rename(source / "12_drive.xml")
    (source / "11_other.xml").write_text("<annotation><folder/></annotation>")
    assert convert_two(source).recognised == "CVAT for images, by 12_drive.xml"


def test_shapes_without_area_are_counted_and_frames_without_shapes_too(tmp_path: Path) -> None:
    source = write_xml(
        tmp_path / "export",
        image(
            "a.png",
            polygon("road", ROAD["a"]),
            '<polyline label="road" points="1,1;5,5"/><points label="car" points="1,1"/><cuboid label="car"/>',
            '<skeleton label="car"><points label="1" points="2,2"/></skeleton><tag label="car"/>',
            polygon("car", [(1, 1), (5, 5)]),
        ),
        image("b.png"),
    )
    kinds = "1 polyline(s), 1 point(s), 1 cuboid(s), 1 skeleton(s), 1 polygon(s) with fewer than 3 points"
    assert convert(source, tmp_path / "made", HALF).notes == (
        f"left out, because a mask cannot show them: {kinds}",
        "1 frame(s) have no shape and become all background: check that they are labelled",
    )


def test_images_are_looked_for_in_a_folder_that_exists(tmp_path: Path) -> None:
    source = write_xml(tmp_path / "export", GOOD_B)
    with pytest.raises(DatasetError, match="nowhere: no such folder; --images is a folder of image files"):
        convert(source, tmp_path / "made", ConversionOptions(images=tmp_path / "nowhere"))


def test_subsets_are_splits(tmp_path: Path) -> None:
    a = image("a.png", polygon("road", ROAD["a"]), polygon("car", CAR["a"]), subset="Train")
    source = write_xml(tmp_path / "export", a, GOOD_B.replace('"default"', '"Validation"'))
    (source / "images" / "Train").mkdir()
    (source / "images" / "a.png").rename(source / "images" / "Train" / "a.png")
    assert convert_two(source, ConversionOptions()).frames == {"train": 1, "val": 1}


def test_frames_of_no_split_join_train_where_there_are_splits(tmp_path: Path) -> None:
    source = write_xml(
        tmp_path / "export", image("a.png", polygon("road", ROAD["a"])), GOOD_B.replace("default", "val")
    )
    assert convert(source, tmp_path / "made", ConversionOptions()).frames == {"val": 1, "train": 1}


def test_without_images_the_option_that_saves_them_is_named(tmp_path: Path) -> None:
    source = write_xml(
        tmp_path / "export", image("a.png", polygon("road", ROAD["a"]), polygon("car", CAR["a"])), GOOD_B
    )
    (source / "images").rename(tmp_path / "photos")
    with pytest.raises(DatasetError, match=r"a.png: is named, but not there(?s:.*)or give --images DIR"):
        convert(source, tmp_path / "made", HALF)
    convert_two(source, ConversionOptions(val_share=0.5, images=tmp_path / "photos"))


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ('<polygon label="car" points="1,1;nan,2;3,3"/>', "a.png: has a polygon with coordinates that are not numbers"),
        ('<polygon label="car" points="1,1;2;3,3"/>', "a.png: has a polygon whose points are not x,y;x,y"),
        ('<polygon label="car"/>', "a.png: has a polygon whose points are not"),
        ('<box label="car" xtl="a" ytl="1" xbr="2" ybr="2"/>', "a.png: has a shape whose xtl is not a number: 'a'"),
        ('<ellipse label="car" cx="inf" cy="1" rx="1" ry="1"/>', "a.png: has a shape whose cx is not a number"),
        (
            '<mask label="car" rle="9" left="0" top="0" width="2" height="2"/>',
            "has run lengths of 9 pixels",
        ),
        ('<mask label="car" rle="x" left="0" top="0" width="2" height="2"/>', "run lengths are not whole numbers"),
        (
            '<mask label="car" rle="1" left="0" top="0" width="1e9" height="1e9"/>',
            "has a mask of 1000000000x",
        ),
    ],
)
def test_damaged_shapes_are_named(tmp_path: Path, shape: str, says: str) -> None:
    source = write_xml(tmp_path / "export", image("a.png", shape), GOOD_B)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"before": BOMB}, "declares an entity"),
        ({"labels": LABELS + "<"}, "is not CVAT's XML"),
        (
            {"labels": "".join(f"<label><name>{i}</name></label>" for i in range(10_000))},
            "has 10001 classes, and a network at most 254",
        ),
        ({"labels": LABELS + "<a>" * 200 + "</a>" * 200}, "nested too deep"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, options: dict[str, str], says: str) -> None:
    source = write_xml(tmp_path / "export", GOOD_B, **options)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ((), "has no images: export it as CVAT for images"),
        (("<track><box/></track>",), "has the tracks of a video: export it as CVAT for images"),
        ((image("a.png", width=99), GOOD_B), "a.png: 99x48, but its image is 64x48"),
        (('<image name="a.png" width="x" height="1"/>',), "does not say width and height of a.png"),
        ((image("../../etc/c.png"),), r"\.\./\.\./etc/c.png: is named, but not there"),
        ((GOOD_B, GOOD_B), "images/b.png: is named twice"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path: Path, images: tuple[str, ...], says: str) -> None:
    source = write_xml(tmp_path / "export", *images)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)


def write_cvat_camvid(path: Path) -> Path:
    colors = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    for split, name in (("Train", "a"), ("Validation", "b")):
        write_images(path / split, name)
        write(path / f"{split}annot" / f"{name}.png", colored(expected(name), colors))
        (path / f"{split}.txt").write_text(f"/{split}/{name}.png {split}annot/{name}.png\n")
    (path / "label_colors.txt").write_text("# color name\n0 0 0 background\n128 0 0 road\n0 128 0 car\n")
    return path


def test_camvid_of_cvat_has_its_own_colours(tmp_path: Path) -> None:
    done = convert_two(write_cvat_camvid(tmp_path / "export"), ConversionOptions())
    assert done.recognised == "CamVid of CVAT, by label_colors.txt and Trainannot/"
    assert done.frames == {"train": 1, "val": 1}


def test_camvid_of_cvat_without_images_is_refused(tmp_path: Path) -> None:
    source = write_cvat_camvid(tmp_path / "export")
    (source / "Train" / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"Train/a: is named, but not there(?s:.*)saves images too"):
        convert(source, tmp_path / "made", ConversionOptions())


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "annotations.xml").write_text('<?xml version="1.0" encoding="foo"?><annotations><meta/>')
    with pytest.raises(DatasetError, match=r"annotations.xml is not CVAT's XML \(unknown encoding: foo\)"):
        convert(tmp_path / "export", tmp_path / "made", HALF)
