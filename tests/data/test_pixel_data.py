"""Datasets of frames that are not 8-bit BGR: converted without loss, and shown so that people see something."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.data.contact_sheet import choose, write_contact_sheet
from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split, survey
from edgeunet.errors import DatasetError
from edgeunet.spec import PixelFormat
from tests.pixel_datasets import FOUR, FOUR_DEEP, KINDS, THERMAL, frame_for, write_pixels


def source_of(folder: Path, kind: str, *, turned: bool) -> Path:
    """A folder of images and masks without splits; of the first image EXIF says that it is upside down."""
    made = write_pixels(folder / "made", KINDS[kind], train=6)
    source = folder / "source"
    for part in ("images", "masks"):
        shutil.copytree(made / part / "train", source / part)
    shutil.copy(made / "classes.json", source)
    if turned:
        image = source / "images" / "0000.png"
        exif = Image.Exif()
        exif[0x0112] = 3
        chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        whole = image.read_bytes()
        size, crc = len(chunk) - 4, zlib.crc32(chunk)
        image.write_bytes(whole[:33] + size.to_bytes(4, "big") + chunk + crc.to_bytes(4, "big") + whole[33:])
    return source


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exif", [None, "keep", "drop"])
def test_a_conversion_keeps_all_bits_and_channels(kind: str, exif: str | None, tmp_path: Path) -> None:
    source = source_of(tmp_path, kind, turned=exif is not None)
    options = ConversionOptions(layout="indices", exif=exif)  # type: ignore[arg-type]
    convert(source, tmp_path / "data", options)
    dataset = DatasetFolder.open(tmp_path / "data", KINDS[kind])
    samples = {s.name: s.frame for split in dataset.splits() for s in load_split(dataset, split)}
    for number in range(6):
        expected = frame_for(KINDS[kind], number)
        if number == 0 and exif == "keep":
            expected = expected[::-1, ::-1]
        assert np.array_equal(samples[f"{number:04}"], expected), number


def test_a_dataset_says_which_of_its_images_lack_bits_or_channels(tmp_path: Path) -> None:
    path = write_pixels(tmp_path / "d", THERMAL)
    cv2.imwrite(str(path / "images" / "train" / "0001.png"), np.zeros((72, 96), np.uint8))
    with pytest.raises(DatasetError, match=r"1 problem(?s:.*)train/0001.png: has 8 bits per channel, and levels"):
        load_split(DatasetFolder.open(path, THERMAL), "train")
    with pytest.raises(DatasetError, match=r"2 problem(?s:.*)images/train/0000.png: has 1 channel\(s\), and 4 are"):
        load_split(DatasetFolder.open(path, FOUR), "train")


@pytest.mark.parametrize("pixels", [THERMAL, FOUR_DEEP, FOUR])
def test_a_contact_sheet_shows_the_scene(pixels: PixelFormat, tmp_path: Path) -> None:
    """Of 16 bits the upper 8 alone would be one dark grey."""
    path = write_pixels(tmp_path / "d", pixels)
    dataset = DatasetFolder.open(path)
    splits = survey(dataset)
    assert {c.deep for c in choose(splits, 3)} == {pixels != FOUR}
    write_contact_sheet(dataset, splits, tmp_path / "sheet.png", force=False)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    ground = sheet[100:300, 30:400].astype(int)  # of the first frame: bright disc, noise, dark bar
    assert np.percentile(ground.mean(axis=2), 98) - np.percentile(ground.mean(axis=2), 5) > 60
