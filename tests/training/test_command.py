"""`edgeunet train` as it is typed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.commands import Run
from tests.datasets import write_dataset


def test_a_class_that_train_lacks_is_named_and_the_rest_is_learnt(run: Run, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    for path in (data / "masks" / "train").iterdir():
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        cv2.imwrite(str(path), np.where(mask == 2, 0, mask))
    ran = run("train", data, "-o", tmp_path / "run", "--model", "nano", "--steps", 2, "--batch", 2, "--size", "32x48")
    assert ran.code == 0
    (warning,) = [line for line in ran.err.splitlines() if line.startswith("warning: bar")]
    assert "the network cannot learn it" in warning
    assert (tmp_path / "run" / "best.pt").exists()


def test_an_unknown_fit_is_refused_before_the_data_are_read(run: Run, tmp_path: Path) -> None:
    ran = run("train", tmp_path / "absent", "-o", tmp_path / "run", "--fit", "crop")
    assert (ran.code, ran.err) == (2, "error: fit is 'letterbox' or 'stretch', got 'crop'\n")
