from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeunet.errors import OutputError
from edgeunet.utils import renaming
from edgeunet.utils.folders import MARK, replacing_folder, require_folder_writable


def _make(folder: Path, *names: str, force: bool = False) -> None:
    with replacing_folder(folder, force=force) as temporary:
        for name in names:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_text(name)


def _names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_folder_appears_whole_with_a_list_of_what_was_written(tmp_path: Path) -> None:
    _make(tmp_path / "deep" / "made", "a", "sub/b")
    assert _names(tmp_path / "deep" / "made") == [MARK, "a", "sub/b"]
    assert list(json.loads((tmp_path / "deep" / "made" / MARK).read_text())["files"]) == ["a", "sub/b"]


def test_force_replaces_what_edgeunet_made(tmp_path: Path) -> None:
    _make(tmp_path / "made", "a", "sub/b")
    with pytest.raises(OutputError, match="--force"):
        _make(tmp_path / "made", "c")
    _make(tmp_path / "made", "c", force=True)
    assert _names(tmp_path) == [f"made/{MARK}", "made/c"]


def test_a_folder_of_others_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "DIR").mkdir()
    (tmp_path / "DIR" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="did not make"):
        _make(tmp_path / "DIR", "a", force=True)
    assert _names(tmp_path) == ["DIR/thesis.txt"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: (folder / "notes.txt").write_text("mine"), "notes.txt"),
        (lambda folder: (folder / "sub" / "b").write_text("B"), "sub/b"),
        (lambda folder: (folder / "mine").mkdir(), "mine"),
        (lambda folder: (folder / "link").symlink_to("/"), "link"),
        (lambda folder: (folder / MARK).write_text("[" * 100_000), MARK),
    ],
)
def test_force_keeps_what_was_added_or_changed(tmp_path: Path, change: Callable[[Path], object], named: str) -> None:
    folder = tmp_path / "made"
    _make(folder, "a", "sub/b")
    change(folder)
    before = _names(folder)
    with pytest.raises(OutputError, match=named):
        _make(folder, "c", force=True)
    with pytest.raises(OutputError, match=named):
        require_folder_writable(folder, force=True)
    assert _names(folder) == before


def test_what_comes_while_it_is_written_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with pytest.raises(OutputError, match="meanwhile"), replacing_folder(folder, force=False):
        _make(folder, "first")
    assert _names(tmp_path) == [f"made/{MARK}", "made/first"]
    with pytest.raises(OutputError, match="meanwhile"), replacing_folder(folder, force=True):
        (folder / "notes.txt").write_text("mine")
    assert _names(tmp_path) == [f"made/{MARK}", "made/first", "made/notes.txt"]


def test_an_empty_folder_is_free_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _make(tmp_path / "empty", "a")
    assert _names(tmp_path / "empty") == [MARK, "a"]
    with pytest.raises(OutputError, match="is a file"):
        _make(tmp_path / "empty" / "a", "b", force=True)


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    _make(tmp_path / "disk" / "made", "a")
    (tmp_path / "link").symlink_to("disk/made")
    _make(tmp_path / "link", "b", force=True)
    assert (tmp_path / "link").is_symlink()
    assert _names(tmp_path / "disk" / "made") == [MARK, "b"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing_folder(tmp_path / "a" / "b", force=False) as temporary:
        (temporary / "c" / "d").touch()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["while writing", "after the exchange"])
def test_a_kill_leaves_the_old_folder_or_the_new_one_and_the_next_run_cleans_up(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "made"
    _make(folder, "old")
    program = """
import os, shutil, signal, sys
from edgeunet.utils.folders import replacing_folder
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
with replacing_folder(sys.argv[1], force=True) as temporary:
    (temporary / "new").touch()
    if sys.argv[2] == "while writing": die()
    shutil.rmtree = die
"""
    done = subprocess.run([sys.executable, "-c", program, str(folder), where], check=False)
    assert done.returncode == -signal.SIGKILL
    assert _names(folder) == ([MARK, "old"] if where == "while writing" else [MARK, "new"])
    require_folder_writable(folder, force=True)
    assert len(list(tmp_path.iterdir())) == 2
    _make(folder, "newer", force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_folders_are_exchanged_where_the_file_system_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renaming, "_renameat2", lambda *_: False)
    _make(tmp_path / "made", "a")
    _make(tmp_path / "made", "b", force=True)
    assert _names(tmp_path) == [f"made/{MARK}", "made/b"]


def test_a_full_disk_is_told_of_the_folder_and_not_of_what_is_read_or_hidden(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "big").write_bytes(bytes(100_000))
    program = """
import resource, shutil, signal, sys
from edgeunet.errors import OutputError
from edgeunet.utils.folders import replacing_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    with replacing_folder(sys.argv[2], force=False) as temporary:
        shutil.copyfile(sys.argv[1], temporary / "big")
except OutputError as error:
    print(error)
"""
    for room in (50_000, 0):  # for the first file, not even for the mark
        words = (str(tmp_path / "in" / "big"), str(tmp_path / "made"), str(room))
        done = subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True, text=True)
        assert done.stdout == f"cannot write {tmp_path / 'made'}: file too large; free some space\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_mount_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "volume").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "volume")
    with pytest.raises(OutputError, match="give a folder in it"):
        require_folder_writable(tmp_path / "volume", force=True)
    _make(tmp_path / "volume" / "made", "a")
