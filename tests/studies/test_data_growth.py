from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.studies import data_growth
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import EdgeUNetError
from edgeunet.samples import DATASET
from tests.datasets import write_dataset


def test_repeated_frames_show_the_same_and_differ_as_files(tmp_path: Path) -> None:
    data_growth.repeated(DatasetFolder.open(DATASET), tmp_path / "d", 20)
    made = DatasetFolder.open(tmp_path / "d")
    train = load_split(made, "train")
    assert (len(train), len(load_split(made, "val"))) == (20, 2)
    assert len({path.read_bytes() for path in made.image_paths("train")}) == 20
    assert len({frame.picture for frame in train.facts.frames}) == 9, "the frames of the samples"


def test_frames_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeUNetError, match=r"000\.png is not a JPEG"):
        data_growth.repeated(DatasetFolder.open(write_dataset(tmp_path / "d")), tmp_path / "e", 3)


def test_a_command_is_measured_and_its_failure_named(tmp_path: Path) -> None:
    found = data_growth.measured(data_growth.CHECKOUT, ("data", "stats", str(DATASET)), tmp_path)
    assert found["cpu_seconds"] > 0
    assert 20 < found["peak_mib"] < 2000
    with pytest.raises(EdgeUNetError, match="no such dataset"):
        data_growth.measured(data_growth.CHECKOUT, ("data", "stats", "nothing"), tmp_path)
