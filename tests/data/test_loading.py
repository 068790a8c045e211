from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split, survey
from edgeunet.data.pairs import ImageMaskPair
from edgeunet.errors import DatasetError
from tests.datasets import write_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetFolder:
    return DatasetFolder.open(write_dataset(tmp_path / "d", train=7))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the frames that are read from disk, as they are."""
    names: list[str] = []
    read = DatasetFolder.read

    def noted(self: DatasetFolder, pair: ImageMaskPair) -> object:
        names.append(pair.image.stem)
        return read(self, pair)

    monkeypatch.setattr(DatasetFolder, "read", noted)
    return names


def test_everything_is_known_after_reading_each_file_once(dataset: DatasetFolder, reads: list[str]) -> None:
    loaded = load_split(dataset, "train")
    pixels = sum(np.bincount(sample.mask.ravel(), minlength=3) for sample in loaded)
    assert np.array_equal(loaded.facts.pixels(3), pixels)
    assert len(loaded.sha256) == 64
    assert loaded.facts.sizes() == {"64x48": 7}
    assert sorted(reads) == [f"{n:03}" for n in range(7)]


def test_frames_beyond_the_memory_are_read_again(dataset: DatasetFolder, reads: list[str]) -> None:
    kept = load_split(dataset, "train")
    frame = kept[0].frame.nbytes + kept[0].mask.nbytes
    some = load_split(dataset, "train", memory=3 * frame + 5)
    assert some.room == 5
    assert load_split(dataset, "val", memory=some.room).room == 5
    reads.clear()
    assert all(np.array_equal(a.frame, b.frame) for a, b in zip(kept, some, strict=True))
    assert len(reads) == 4, "three are in memory"


def test_frames_are_read_ahead_and_come_in_order(dataset: DatasetFolder, reads: list[str]) -> None:
    loaded = load_split(dataset, "train", memory=0)
    reads.clear()
    coming = loaded.at([5, 1, 3])
    assert next(coming).name == "005"
    assert [sample.name for sample in coming] == ["001", "003"]
    assert sorted(reads) == ["001", "003", "005"]


def test_large_frames_do_not_wait_in_memory(
    dataset: DatasetFolder, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_split(dataset, "train", memory=0)
    monkeypatch.setattr("edgeunet.data.loading._AHEAD", 4 * 48 * 64)
    reads.clear()
    next(iter(loaded))
    assert len(reads) <= 2, "the one that is used, and the next"


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_file_that_changes_while_it_is_used_is_found(dataset: DatasetFolder, kind: str) -> None:
    loaded = load_split(dataset, "train", memory=0)
    shutil.copyfile(dataset.path / kind / "train" / "001.png", dataset.path / kind / "train" / "002.png")
    assert loaded[1].name == "001"
    with pytest.raises(DatasetError, match=r"002\.png or its mask has changed since it was checked: start"):
        loaded[2]
    (dataset.path / kind / "train" / "002.png").unlink()
    with pytest.raises(DatasetError, match=rf"{kind}/train/002\.png: does not exist; the file has changed"):
        list(loaded)


def test_the_hash_is_of_names_and_contents_not_of_place(dataset: DatasetFolder, tmp_path: Path) -> None:
    """Older checkpoints and score files have it, so it stays as it is."""
    whole = hashlib.sha256()
    for path in [Path("classes.json"), *(Path(k) / "val" / f"{n:03}.png" for k in ("images", "masks") for n in (0, 1))]:
        whole.update(os.fsencode(path.as_posix()))
        whole.update(hashlib.sha256((dataset.path / path).read_bytes()).digest())
    before = load_split(dataset, "val").sha256
    assert before == whole.hexdigest()
    copy = DatasetFolder.open(shutil.copytree(dataset.path, tmp_path / "e"))
    assert load_split(copy, "val").sha256 == before
    cv2.imwrite(str(copy.path / "masks" / "val" / "000.png"), np.zeros((48, 64), np.uint8))
    assert load_split(copy, "val").sha256 != before


def test_what_is_read_is_shown(dataset: DatasetFolder, capsys: pytest.CaptureFixture[str]) -> None:
    load_split(dataset, "val", quiet=True)
    assert capsys.readouterr().err == ""
    load_split(dataset, "val")
    survey(dataset)
    assert re.findall(r"reading (\w+) .* (\S+/\S+)", capsys.readouterr().err) == [
        ("val", "2/2"),
        ("train", "7/7"),
        ("val", "2/2"),
    ]
