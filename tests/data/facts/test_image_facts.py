"""What data stats says of images whose content does not reach the network whole."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.data.checks import check_dataset
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import survey
from edgeunet.utils.check import Check
from tests.datasets import write_dataset
from tests.pixel_datasets import FOUR, GREY, THERMAL, write_pixels

SIZE = (64, 96)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "d", train=12, val=3, size=SIZE)


def only(path: Path) -> Check:
    dataset = DatasetFolder.open(path)
    found = check_dataset(dataset, survey(dataset))
    assert len(found) == 1, found
    return found[0]


def image(data: Path, name: str = "001.png") -> Path:
    return data / "images" / "train" / name


def test_sixteen_bits_are_named_with_what_is_left_of_them(data: Path) -> None:
    levels = np.random.default_rng(0).integers(7000, 7400, SIZE, np.uint16)
    cv2.imwrite(str(image(data)), levels)
    check = only(data)
    assert (check.state, check.part) == ("wrong", "d")
    assert check.found.startswith(
        "1 image(s) have 16 bits per channel; without --levels only the upper 8 are used, which keep 2 of up to"
    )
    cv2.imwrite(str(image(data)), levels * 8)
    cv2.imwrite(str(image(data, "002.png")), np.linspace(0, 65535, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint16))
    image(data).unlink()
    (data / "masks" / "train" / "001.png").unlink()
    assert only(data).state == "warning", "256 levels are as many as any photo has"


def test_a_fourth_channel_that_says_something_is_named(data: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 4), np.uint8)
    cv2.imwrite(str(image(data)), frame)
    check = only(data)
    assert check.state == "warning"
    assert "1 image(s) have 4 channels, of which the last" in check.found
    frame[..., 3] = 255
    cv2.imwrite(str(image(data)), frame)
    dataset = DatasetFolder.open(data)
    assert check_dataset(dataset, survey(dataset)) == [], "an alpha channel that is the same everywhere"


def test_further_pages_are_named(data: Path) -> None:
    page = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    page.save(image(data, "001.tif"), save_all=True, append_images=[page])
    image(data).unlink()
    assert "1 file(s) have several pages" in only(data).found


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_exif_orientation_is_named_with_the_way_to_choose(data: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(image(data)).save(image(data), exif=exif)
    check = only(data)
    if orientation == 3:
        assert (check.state, check.found) == (
            "warning",
            "1 image(s) have an EXIF orientation and are turned by it: 001",
        )
        assert "--exif drop" in check.remedy
        assert "--exif keep" in check.remedy
    else:
        assert check.found == "96x64, but its image is 64x96"
        assert "EXIF turns these images by a quarter" in check.remedy
        assert f"edgeunet data convert {data} -o {data}-dataset --exif drop" in check.remedy


def test_a_mask_with_an_orientation_that_its_image_has_not_is_named(data: Path) -> None:
    mask = data / "masks" / "train" / "001.png"
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(mask).save(mask, exif=exif)
    assert "1 mask(s) have an EXIF orientation that their image does not have" in only(data).found


def test_alpha_in_a_palette_is_named_where_it_varies(data: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 16, SIZE, np.uint8)
    picture = Image.fromarray(colors, "P")
    picture.putpalette(range(48))
    picture.save(image(data), transparency=bytes(range(0, 256, 16)))
    assert "1 image(s) have 4 channels, of which the last" in only(data).found
    picture.save(image(data))
    dataset = DatasetFolder.open(data)
    assert check_dataset(dataset, survey(dataset)) == []


def test_what_a_dataset_is_read_with_is_not_named_and_the_rest_is_with_its_option(tmp_path: Path) -> None:
    for name, pixels, option in (("t", THERMAL, "`--levels auto`"), ("f", FOUR, "`--channels 4`")):
        path = write_pixels(tmp_path / name, pixels, train=12, val=3)
        found = {check.remedy for check in findings(DatasetFolder.open(path)) if check.remedy}
        assert len(found) == 1, found
        assert option in found.pop()
        assert [check for check in findings(DatasetFolder.open(path, pixels)) if check.state != "ok"] == []


def test_only_grey_images_are_said_with_what_makes_use_of_it(tmp_path: Path, data: Path) -> None:
    path = write_pixels(tmp_path / "g", GREY, train=12, val=3)
    (note,) = findings(DatasetFolder.open(path))
    assert (note.state, note.found.startswith("all 15 image(s) are grey: `train --channels 1`")) == ("ok", True)
    assert findings(DatasetFolder.open(path, GREY)) == []
    assert findings(DatasetFolder.open(data)) == []


def findings(dataset: DatasetFolder) -> list[Check]:
    return check_dataset(dataset, survey(dataset))
