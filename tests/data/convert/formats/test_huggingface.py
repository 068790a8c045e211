"""Hugging Face's imagefolder, and its tables, which are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import colored, pictures_in, write
from tests.data.convert.two_frames import HALF, convert_two, expected, write_images

NAMES = '{"0": "background", "1": "road", "2": "car"}'
COLORS = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]


def write_folder(path: Path, folder: str = "", mask: str = "mask", **more: object) -> Path:
    write_images(path / folder)
    lines = []
    for name in "ab":
        write(path / folder / "masks" / f"{name}.png", expected(name))
        lines.append(json.dumps({"file_name": f"{name}.png", mask: f"masks/{name}.png", "text": "a road", **more}))
    (path / folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    (path / "id2label.json").write_text(NAMES)
    return path


@pytest.mark.parametrize("column", ["mask", "mask_file_name", "label", "annotation", "other"])
def test_the_column_of_masks_is_found(tmp_path: Path, column: str) -> None:
    done = convert_two(write_folder(tmp_path / "export", mask=column))
    assert done.recognised == "Hugging Face, by metadata.jsonl"


def test_of_two_columns_of_images_the_one_whose_name_says_so_counts(tmp_path: Path) -> None:
    convert_two(write_folder(tmp_path / "export", mask="segmentation", depth_file_name="b.png"))


def test_folders_are_splits_and_lists_may_be_csv(tmp_path: Path) -> None:
    for folder in ("data/train", "data/validation"):
        write_folder(tmp_path / "export", folder)
        (tmp_path / "export" / folder / "metadata.jsonl").unlink()
        (tmp_path / "export" / folder / "metadata.csv").write_text("file_name,mask\na.png,masks/a.png\nb.png,\n")
    (tmp_path / "export/data/validation/metadata.csv").write_text("file_name,mask\na.png,masks/a.png\n")
    with pytest.raises(DatasetError, match=r"data/train/b.png: no mask of that name"):
        convert(tmp_path / "export", tmp_path / "made", ConversionOptions())
    (tmp_path / "export/data/train/metadata.csv").write_text("file_name,mask\na.png,masks/a.png\n")
    done = convert(tmp_path / "export", tmp_path / "made", ConversionOptions())
    assert done.frames == {"train": 1, "val": 1}


def test_masks_may_be_in_colours_with_a_list(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "export")
    (source / "id2label.json").unlink()
    for name in "ab":
        write(source / "masks" / f"{name}.png", colored(expected(name), COLORS))
    with pytest.raises(DatasetError, match="has no list of classes"):
        convert(source, tmp_path / "made", HALF)
    (tmp_path / "label_colors.txt").write_text("0 0 0 background\n128 0 0 road\n0 128 0 car\n")
    convert_two(source, ConversionOptions(val_share=0.5, classes=tmp_path / "label_colors.txt"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"file_name": "../x.png", "mask": "masks/a.png"}', r"line 3: names '\.\./x.png', which is not there"),
        ('{"file_name": "/etc/x.png", "mask": "masks/a.png"}', "line 3: names '/etc/x.png', which is not there"),
        ('{"file_name": "a.png", "mask": "masks/b.png"}', "line 3: names an image that another line names"),
        ('{"file_name": "a.png", "mask": "masks/c.png"}', "line 3: names 'masks/c.png', which is not there"),
        ('{"mask": "masks/a.png"}', "line 3: has no file_name"),
        ('{"file_name"', "line 3, is not an object"),
        ("[1]", "line 3, is not an object"),
        ('{"file_name": "a.png", "mask": ' + "[" * 9999, "line 3, is not an object"),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, line: str, says: str) -> None:
    source = write_folder(tmp_path / "export")
    with (source / "metadata.jsonl").open("a") as file:
        file.write(line)
    (tmp_path / "x.png").write_bytes((source / "a.png").read_bytes())  # outside, but there
    with pytest.raises(DatasetError, match=f"metadata.jsonl, {says}"):
        convert(source, tmp_path / "made", HALF)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export", "x.png"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "metadata.jsonl has no line"),
        ('{"file_name": "a.png", "text": "x"}', "has no column.* that name a mask, of file_name, text"),
        ('{"file_name": "a.png", "mask": "a.png", "label": "b.png"}', "has 2 column"),
    ],
)
def test_a_list_without_masks_is_refused(tmp_path: Path, text: str, says: str) -> None:
    source = write_folder(tmp_path / "export")
    (source / "metadata.jsonl").write_text(text)
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", HALF)


def test_names_of_numbers_beyond_a_mask_are_refused(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "export")
    (source / "id2label.json").write_text('{"0": "background", "256": "road"}')
    with pytest.raises(DatasetError, match=r"id2label.json is not a list of classes .*<= 255"):
        convert(source, tmp_path / "made", HALF)


FAKE = """
import sys
from pathlib import Path
from PIL import Image
def load(path):
    rows = [{c: Image.open(Path(path) / f"{n}{c}.png") for c in ("image", "label")} for n in "ab"]
    return {"train": rows[:1], "val": rows[1:]}
def load_dataset(path):
    return load(path)
def load_from_disk(path):
    return load(path) if Path(path, "dataset_dict.json").is_file() else load(path)["train"]
"""


@pytest.mark.parametrize("files", [("data/train-0.parquet",), ("train/x.arrow", "dataset_dict.json"), ("x.arrow",)])
def test_tables_are_refused_with_a_command_that_saves_them(tmp_path: Path, files: tuple[str, ...]) -> None:
    source = tmp_path / "it's"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    for name in "ab":
        cv2.imwrite(str(source / f"{name}image.png"), np.full((48, 64, 3), 7, np.uint8))
        cv2.imwrite(str(source / f"{name}label.png"), expected(name))
    with pytest.raises(DatasetError, match="has tables such as ") as caught:
        convert(source, tmp_path / "made", HALF)
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "datasets.py").write_text(FAKE)
    _, _, command = str(caught.value).partition("\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "fake"), "PATH": path}
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path, env=environment)
    assert np.array_equal(pictures_in(tmp_path / "my_frames/masks/train")["000000.png"], expected("a"))


def test_an_empty_list_of_one_split_is_not_passed_over(tmp_path: Path) -> None:
    for folder in ("train", "validation"):
        write_folder(tmp_path / "export", folder)
    (tmp_path / "export/train/metadata.jsonl").write_text("")
    with pytest.raises(DatasetError, match=r"train/metadata.jsonl has no line: each names an image and its mask"):
        convert(tmp_path / "export", tmp_path / "made", ConversionOptions())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"file_name": "../train/a.png", "mask": "masks/b.png"}', "names '../train/a.png', which is not there"),
        (f'{{"file_name": "{"a" * 400}.png", "mask": "masks/b.png"}}', "names 'a+', which is not there"),
    ],
)
def test_names_that_lead_nowhere_are_named(tmp_path: Path, line: str, says: str) -> None:
    source = write_folder(tmp_path / "export")
    (source / "metadata.jsonl").write_text(f"{line}\n")
    with pytest.raises(DatasetError, match=says):
        convert(source, tmp_path / "made", ConversionOptions())
