"""Files as people have them: formats, names, lists and orientations, converted or refused with the reason."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.images import read_image
from tests.data.convert.trees import pictures_in, write_colors
from tests.datasets import CLASSES, draw


def rewrite(file: Path, ending: str, kind: str, **options: Any) -> None:
    Image.open(file).save(file.with_suffix(ending), kind, **options)
    file.unlink()


@pytest.mark.parametrize(("ending", "kind"), [(".tif", "TIFF"), (".bmp", "BMP"), (".webp", "WEBP"), (".gif", "GIF")])
def test_masks_may_have_any_format_and_end_alike(tmp_path: Path, ending: str, kind: str) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    for file in sorted((source / "masks").iterdir()):
        rewrite(
            file.rename(file.with_stem(f"{file.stem}_mask")),
            ending,
            kind,
            **({"lossless": True} if kind == "WEBP" else {}),
        )
    convert(source, tmp_path / "made", ConversionOptions())
    expected = draw(0)[1]
    expected[0] = 3
    assert np.array_equal(pictures_in(tmp_path / "made" / "masks" / "train")["000.png"], expected)


def test_masks_that_end_differently_need_their_end(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    for k, file in enumerate(sorted((source / "masks").iterdir())):
        file.rename(file.with_stem(f"{file.stem}_mask{'' if k else 's'}"))
    with pytest.raises(DatasetError, match="no mask of that name"):
        convert(source, tmp_path / "made", ConversionOptions())
    with pytest.raises(DatasetError, match=r"images/000.png: no mask of that name"):
        convert(source, tmp_path / "made", ConversionOptions(mask_suffix="_mask"))
    (source / "images" / "000.png").unlink()
    (source / "masks" / "000_masks.png").unlink()
    assert sum(convert(source, tmp_path / "made", ConversionOptions(mask_suffix="_mask")).frames.values()) == 4


def test_two_masks_of_a_name_are_a_fault(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    Image.open(source / "masks" / "001.png").save(source / "masks" / "001.gif")
    with pytest.raises(DatasetError, match=r"masks/001.gif: two masks of that name"):
        convert(source, tmp_path / "made", ConversionOptions())


def test_masks_that_are_no_images_are_named(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    for file in (source / "masks").iterdir():
        file.rename(file.with_suffix(".npy"))
    with pytest.raises(DatasetError, match=r"masks/000.npy: no image that can be read, and 5 file\(s\) like it"):
        convert(source, tmp_path / "made", ConversionOptions())


def test_only_frames_of_the_lists_need_masks(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=6)
    for k in (4, 5):
        (source / "masks" / f"{k:03}.png").unlink()
    lists = {"train": "\ufeff000\n001.png\nimages/002.png\n", "val": "003\n"}
    for split, text in lists.items():
        (tmp_path / f"{split}.txt").write_text(text, encoding="utf-8")
    options = ConversionOptions(lists={split: tmp_path / f"{split}.txt" for split in lists})
    done = convert(source, tmp_path / "made", options)
    assert (done.frames, done.notes) == ({"train": 3, "val": 1}, ("2 frame(s) are not in any list and are left out",))
    (tmp_path / "val.txt").write_text("004")
    with pytest.raises(DatasetError, match="names '004', which has no mask"):
        convert(source, tmp_path / "more", options)
    (tmp_path / "val.txt").write_bytes(b"003\ncaf\xe9\n")
    with pytest.raises(DatasetError, match=r"val.txt, line 2, is not UTF-8: save the file as UTF-8"):
        convert(source, tmp_path / "more", options)


@pytest.mark.parametrize("split", ["../outside", ".", "..", "a/b", ".hidden", "", "a\nb"])
def test_a_split_is_one_plain_name(tmp_path: Path, split: str) -> None:
    with pytest.raises(UsageError, match="one plain name"):
        ConversionOptions(lists={split: tmp_path / "names.txt"})


def test_images_of_a_test_split_without_masks_are_left_out(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val", "test"))
    shutil.rmtree(source / "masks" / "test")
    done = convert(source, tmp_path / "made", ConversionOptions())
    assert (done.frames, done.notes) == (
        {"train": 3, "val": 3},
        ("3 images of test have no masks and are left out",),
    )


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_is_kept_or_dropped(tmp_path: Path, orientation: int) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    file = source / "images" / "train" / "001.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(file).save(file, exif=exif)
    stored = draw(1)[0]
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)), np.uint8)[..., ::-1]
    made = tmp_path / "made"
    convert(source, made, ConversionOptions(exif="drop"))
    assert np.array_equal(read_image(made / "images" / "train" / "001.png"), stored)
    options = ConversionOptions(exif="keep", force=True)
    if orientation >= 5:
        with pytest.raises(DatasetError, match="64x48, but its image is 48x64"):
            convert(source, made, options)
        with pytest.raises(DatasetError, match=r"EXIF turns these images by a quarter.* as stored: give --exif drop$"):
            convert(source, made, ConversionOptions(force=True))
    else:
        convert(source, made, options)
        assert np.array_equal(read_image(made / "images" / "train" / "001.png"), upright)
        assert "1 image(s) have an EXIF orientation" in convert(source, made, ConversionOptions(force=True)).notes[0]


def test_an_orientation_that_only_a_mask_has_is_said(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    file = source / "masks" / "train" / "001.png"
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(file).save(file, exif=exif)
    assert "1 mask(s) have an EXIF orientation" in convert(source, tmp_path / "made", ConversionOptions()).notes[0]
    assert not convert(source, tmp_path / "dropped", ConversionOptions(exif="drop")).notes
    made, dropped = (pictures_in(tmp_path / name / "masks" / "train")["001.png"] for name in ("made", "dropped"))
    assert np.array_equal(made, dropped[::-1, ::-1])


def test_bits_of_images_are_kept(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    deep = np.random.default_rng(0).integers(0, 65536, (48, 64, 4), np.uint16)
    cv2.imwrite(str(source / "images" / "val" / "001.png"), deep)
    convert(source, tmp_path / "made", ConversionOptions())
    made = tmp_path / "made" / "images" / "val" / "001.png"
    assert np.array_equal(np.asarray(cv2.imread(str(made), cv2.IMREAD_UNCHANGED)), deep)


def test_a_class_without_a_pixel_and_a_class_with_all_are_warned_of(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    classes = [*CLASSES[:3], {"index": 3, "name": "rare", "color": [1, 2, 3]}, {**CLASSES[3], "index": 4}]
    (source / "classes.json").write_text(json.dumps({"classes": classes}))
    assert convert(source, tmp_path / "made", ConversionOptions()).warnings == (
        "no mask has a pixel of rare: look at the masks and at the list of classes",
    )
    for file in source.glob("masks/*/*.png"):
        cv2.imwrite(str(file), np.full((48, 64), 90, np.uint8))
    assert convert(source, tmp_path / "more", ConversionOptions()).warnings == (
        "every pixel that counts is ground: look at the masks and at the list of classes",
    )


def test_many_unknown_pixels_are_warned_of_with_their_share(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    for file in source.glob("masks/*/*.png"):
        cv2.imwrite(str(file.with_suffix(".jpg")), np.asarray(cv2.imread(str(file))))
        file.unlink()
    with pytest.raises(DatasetError, match=r"% of all pixels:\n(?s:.*)once saved as JPEG"):
        convert(source, tmp_path / "made", ConversionOptions())
    done = convert(source, tmp_path / "made", ConversionOptions(ignore_unknown=True))
    assert "of unknown colours" in done.notes[0]
    assert "export the masks again as PNG, which is lossless" in done.warnings[0]


def test_the_output_is_no_input(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    convert(source, tmp_path / "made", ConversionOptions())
    listed = tmp_path / "made" / "classes.json"
    with pytest.raises(UsageError, match=r"--classes .* is inside .*made"):
        convert(source, tmp_path / "made", ConversionOptions(classes=listed, force=True))
    assert listed.is_file()


def test_folders_may_have_any_name(tmp_path: Path) -> None:
    # OpenCV, which draws the frames, dies of such a name.
    source = write_colors(tmp_path / "d", splits=("train", "val")).rename(tmp_path / os.fsdecode(b"d\xff"))
    made = tmp_path / os.fsdecode(b"o\xff")
    convert(source, made, ConversionOptions())
    assert load_split(DatasetFolder.open(made), "val")[0].name == "000"
