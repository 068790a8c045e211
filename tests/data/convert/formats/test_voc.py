"""Pascal VOC's folders, and those that CVAT and labelme2voc write like them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.letterbox import UInt8
from tests.data.convert.trees import colored, pictures_in
from tests.data.convert.two_frames import HALF, convert_two, expected, write_images

COLORS = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]  # background, road, car, as VOC draws 0, 1 and 2
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:0,128,0::\nroad:128,0,0::\n"


def write_palette(file: Path, mask: UInt8) -> None:
    """A palette PNG, as VOC's masks are."""
    image = Image.fromarray(mask)
    palette = np.zeros((256, 3), np.uint8)
    palette[:3], palette[255] = COLORS, (224, 224, 192)
    image.putpalette(palette.tobytes())
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


def write_lists(path: Path, **lists: Sequence[str]) -> None:
    folder = path / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True)
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two labelled frames with a border that does not count, a third without a mask and in no list."""
    path = tmp_path / "VOC2012"
    write_images(path / "JPEGImages", "abc")
    for name in "ab":
        mask = expected(name)
        mask[-1] = 255
        write_palette(path / "SegmentationClass" / f"{name}.png", mask)
    write_lists(path, train=["a"], val=["b"], trainval=["a", "b"])
    (path / "class_names.txt").write_text("background\nroad\ncar\n")
    return path


@pytest.fixture
def cvat(tmp_path: Path) -> Path:
    path = tmp_path / "cvat"
    write_images(path / "JPEGImages")
    for folder in ("SegmentationClass", "SegmentationObject"):
        for name in "ab":
            (path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(path / folder / f"{name}.png"), colored(expected(name), COLORS))
    (path / "labelmap.txt").write_text(LABELMAP)
    write_lists(path, default=["a", "b"])
    return path


def test_lists_are_the_splits_and_pictures_of_no_list_are_left_out(voc: Path) -> None:
    done = convert(voc, voc.with_name("made"), ConversionOptions())
    assert done.recognised == "Pascal VOC, by SegmentationClass/"
    assert done.frames == {"train": 1, "val": 1}
    assert done.notes == ("1 image(s) have no labels and are left out, such as c.png",)
    mask = pictures_in(voc.with_name("made") / "masks" / "val")["b.png"]
    assert np.array_equal(mask[:-1], expected("b")[:-1])
    assert (mask[-1] == 255).all()
    listed = json.loads((voc.with_name("made") / "classes.json").read_text())["classes"]
    assert [c["color"] for c in listed] == [list(c) for c in COLORS]


def test_without_names_there_are_those_of_voc_and_it_is_said(voc: Path) -> None:
    (voc / "class_names.txt").unlink()
    done = convert(voc, voc.with_name("made"), ConversionOptions())
    assert "there is no list of names, so those of Pascal VOC are taken: --classes gives others" in done.notes
    listed = json.loads((voc.with_name("made") / "classes.json").read_text())["classes"]
    assert (len(listed), listed[15]["name"], listed[15]["color"]) == (21, "person", [192, 128, 128])
    own = voc.with_name("own.csv")
    own.write_text("value,name\n0,background\n1,ground\n2,ground\n")
    convert(voc, voc.with_name("more"), ConversionOptions(classes=own))
    assert pictures_in(voc.with_name("more") / "masks" / "val")["b.png"].max() == 255
    assert set(np.unique(pictures_in(voc.with_name("more") / "masks" / "val")["b.png"])) == {0, 1, 255}


def test_masks_that_were_saved_in_colours_are_read(voc: Path) -> None:
    for name in "ab":
        file = voc / "SegmentationClass" / f"{name}.png"
        with Image.open(file) as image:
            rgb = image.convert("RGB")
        rgb.save(file)
    convert(voc, voc.with_name("made"), ConversionOptions())
    assert np.array_equal(pictures_in(voc.with_name("made") / "masks" / "val")["b.png"][:-1], expected("b")[:-1])


def test_a_name_in_two_lists_is_refused(voc: Path) -> None:
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("b\na\n")
    with pytest.raises(DatasetError, match=r"val\.txt names 'a', which another list has too"):
        convert(voc, voc.with_name("made"), ConversionOptions())


def test_names_without_masks_and_masks_of_no_list_are_counted(voc: Path) -> None:
    write_palette(voc / "SegmentationClass" / "c.png", expected("a"))
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("b\nd\ne\n")
    done = convert(voc, voc.with_name("made"), ConversionOptions())
    assert "2 name(s) of ImageSets/Segmentation/ have no mask and are left out" in done.notes
    assert "1 mask(s) are not in any list and are left out" in done.notes


def test_cvats_masks_have_the_colours_of_its_list(cvat: Path) -> None:
    done = convert_two(cvat)
    assert done.recognised == "CVAT segmentation mask or Pascal VOC, by labelmap.txt and SegmentationClass/"


def test_what_cvat_leaves_black_is_background(cvat: Path) -> None:
    (cvat / "labelmap.txt").write_text("road:128,0,0::\ncar:0,128,0::\nvoid:9,9,9:part,other:action\n")
    convert_two(cvat)
    listed = json.loads((cvat.with_name("made") / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "road", "car", "void"]
    assert listed[3]["ignore"]


def test_names_of_cvat_may_have_folders(cvat: Path) -> None:
    for folder in ("JPEGImages", "SegmentationClass"):
        (cvat / folder / "../sub").mkdir(exist_ok=True)
        for name in "ab":
            file = cvat / folder / f"{name}.png"
            (cvat / folder / "day 1").mkdir(exist_ok=True)
            file.rename(cvat / folder / "day 1" / file.name)
    (cvat / "ImageSets" / "Segmentation" / "default.txt").write_text("day 1/a\nday 1/b\n")
    convert_two(cvat)


def test_cvat_without_images_is_refused_with_what_to_tick(cvat: Path) -> None:
    (cvat / "JPEGImages").rename(cvat.with_name("photos"))
    with pytest.raises(DatasetError, match=r"has no JPEGImages/: tick .*Save images.*--images DIR"):
        convert(cvat, cvat.with_name("made"), HALF)
    assert not cvat.with_name("made").exists()
    convert_two(cvat, ConversionOptions(val_share=0.5, images=cvat.with_name("photos")))


@pytest.mark.parametrize("line", ["road", "road:1,2:x:y", "road:1,2,300::", "road:a,b,c::"])
def test_a_list_of_labels_that_cannot_be_read_names_its_line(cvat: Path, line: str) -> None:
    (cvat / "labelmap.txt").write_text(f"# x\n{line}\n")
    with pytest.raises(DatasetError, match=r'labelmap.txt, line 2: expected "name:red,green,blue:parts:actions"'):
        convert(cvat, cvat.with_name("made"), HALF)


def test_a_colour_of_no_label_is_named(cvat: Path) -> None:
    (cvat / "labelmap.txt").write_text("road:128,0,0::\n")
    with pytest.raises(DatasetError, match=r"1 colour\(s\) that .*labelmap.txt does not have(?s:.*)\(0, 128, 0\): "):
        convert(cvat, cvat.with_name("made"), HALF)


def write_labelme(path: Path, *, older: bool, images: bool = True) -> Path:
    write_images(path / "JPEGImages")
    (path / "class_names.txt").write_text("_background_\nroad\ncar\n")
    pictures, arrays = "SegmentationClass", "SegmentationClassNpy"
    if older:
        pictures, arrays = "SegmentationClassPNG", "SegmentationClass"
    (path / arrays).mkdir()
    for name in "ab":
        if images:
            write_palette(path / pictures / f"{name}.png", expected(name))
        np.save(path / arrays / f"{name}.npy", expected(name).astype(np.int32))
    return path


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("images", [True, False])
def test_labelme2voc_of_both_ages(tmp_path: Path, older: bool, images: bool) -> None:
    done = convert_two(write_labelme(tmp_path / "labelme", older=older, images=images))
    assert done.recognised.startswith("labelme2voc, by class_names.txt and SegmentationClass")


def test_arrays_that_are_no_masks_are_named(tmp_path: Path) -> None:
    path = write_labelme(tmp_path / "l", older=False, images=False)
    arrays = path / "SegmentationClassNpy"
    claim = b"{'descr': '<i4', 'fortran_order': False, 'shape': (99999999, 99999)}"
    (arrays / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(claim).to_bytes(2, "little") + claim)
    np.save(arrays / "b.npy", np.zeros((4, 4, 3)))
    with pytest.raises(DatasetError) as told:
        convert(path, tmp_path / "made", HALF)
    assert "SegmentationClassNpy/a.npy: is not an array of NumPy (.npy) that can be read" in str(told.value)
    assert "SegmentationClassNpy/b.npy: is not an array of whole numbers with two dimensions" in str(told.value)
    values = expected("a").astype(np.int64)
    values[0, :3], values[1, 0] = 70_000, -1
    np.save(arrays / "a.npy", values)
    np.save(arrays / "b.npy", expected("b"))
    with pytest.raises(DatasetError, match=r"1 value\(s\) .*(?s:.*)70000: 3 pixels"):
        convert(path, tmp_path / "made", HALF)
    values[0, :3] = 0
    np.save(arrays / "a.npy", values)
    convert(path, tmp_path / "made", HALF)
    masks = {**pictures_in(tmp_path / "made/masks/train"), **pictures_in(tmp_path / "made/masks/val")}
    assert masks["a.png"][1, 0] == 255
    np.save(arrays / "a.npy", values[1:])
    with pytest.raises(DatasetError, match="64x47, but its image is 64x48"):
        convert(path, tmp_path / "more", HALF)


def test_a_mask_of_another_size_and_a_missing_image_are_named(voc: Path) -> None:
    write_palette(voc / "SegmentationClass" / "a.png", expected("a")[:-2])
    with pytest.raises(DatasetError, match=r"SegmentationClass/a.png: 64x46, but its image is 64x48"):
        convert(voc, voc.with_name("made"), ConversionOptions())
    (voc / "JPEGImages" / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"a .* is named, but not there"):
        convert(voc, voc.with_name("made"), ConversionOptions())
    assert not voc.with_name("made").exists()


def test_an_export_without_masks_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty" / "SegmentationClass").mkdir(parents=True)
    with pytest.raises(DatasetError, match="has no known layout"):
        convert(tmp_path / "empty", tmp_path / "made", HALF)
    with pytest.raises(DatasetError, match="has no masks in SegmentationClass/"):
        convert(tmp_path / "empty", tmp_path / "made", ConversionOptions(layout="voc"))
    with pytest.raises(UsageError, match="--mask-suffix is for"):
        convert(tmp_path / "empty", tmp_path / "made", ConversionOptions(layout="voc", mask_suffix="_x"))


def test_a_list_of_ten_thousand_names_is_refused(voc: Path) -> None:
    (voc / "class_names.txt").write_text("".join(f"c{n}\n" for n in range(10_000)))
    with pytest.raises(DatasetError, match="2 to 254 classes are needed"):
        convert(voc, voc.with_name("made"), ConversionOptions())


def test_hidden_lists_do_not_count_and_lists_of_other_names_are_said(voc: Path) -> None:
    folder = voc / "ImageSets" / "Segmentation"
    (folder / "._train.txt").write_bytes(b"\x00\x05\x16\x07")
    assert not any("have no mask" in note for note in convert(voc, voc.with_name("made"), ConversionOptions()).notes)
    for file in folder.iterdir():
        file.write_text("z\n")
    notes = convert(voc, voc.with_name("again"), HALF).notes
    assert "ImageSets/Segmentation/ names no mask that is there: all are taken" in notes


def test_lists_may_have_endings(voc: Path) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        (voc / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(f"JPEGImages/{name}.jpg\n")
    assert convert(voc, voc.with_name("made"), ConversionOptions()).frames == {"train": 1, "val": 1}
