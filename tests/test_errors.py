from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, not_found


def test_what_stands_in_place_of_the_expected_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    said = [not_found(tmp_path / name, "model file") for name in ("absent", "file", "folder", "pipe")]
    assert [text.removeprefix(str(tmp_path)) for text in said] == [
        "/absent: no such model file",
        "/file is a file, not a model file",
        "/folder is a folder, not a model file",
        "/pipe is a device or a pipe, not a model file",
    ]


def test_a_file_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()
    with pytest.raises(DatasetError, match=r"model\.pt is a file, not a dataset folder; `edgeunet data convert`"):
        DatasetFolder.open(tmp_path / "model.pt")
