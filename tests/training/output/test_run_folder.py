"""A run's folder belongs to one training at a time, and loses only what a training of edgeunet wrote."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import OutputError
from edgeunet.training.output.run_folder import OUTPUTS, claimed, require_free
from edgeunet.training.training_run import train
from tests.training.jobs import Watcher, job

HOLD = """
import sys
from pathlib import Path
from edgeunet.training.output.run_folder import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_training_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match="another training writes to"), claimed(folder):
        pass
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OutputError, match="another training writes to"), claimed(tmp_path / "link"):
        pass
    other.kill()
    other.communicate()
    with claimed(folder):
        pass


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "a" / "run"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with claimed(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_force_starts_again_only_where_a_training_of_ours_was(dataset: DatasetFolder, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(job(dataset, folder), Watcher())
    with pytest.raises(OutputError, match="--resume continues"):
        require_free(folder, force=False)
    require_free(folder, force=True)
    (folder / "notes.txt").write_text("mine")
    train(job(dataset, folder, force=True), Watcher())
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_file_of_that_name_from_elsewhere_is_kept(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"another project's")
    with pytest.raises(OutputError, match=f"{name} was not written by a training of edgeunet"):
        require_free(tmp_path, force=True)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=f"{name} was not written"):
        require_free(tmp_path, force=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OutputError, match="is a file"):
        require_free(tmp_path / "run", force=True)
    assert (tmp_path / "run").stat().st_size == 0
