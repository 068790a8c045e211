from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.errors import OutputError, UsageError
from edgeunet.utils.files import remove_unfinished, replacing, require_distinct, require_writable, sha256, write_text
from edgeunet.utils.folders import require_folder_writable
from tests.datasets import write_dataset


def _write_half(target: Path) -> None:
    with replacing(target, force=True) as temporary:
        temporary.write_text("half")
        (target.parent / "missing").read_text()


def _killed(target: Path, code: str = "os.kill(os.getpid(), signal.SIGKILL)") -> None:
    """Write a file in another process, which runs `code` in the midst of it."""
    program = f"""
import os, signal, sys
from edgeunet.utils.files import replacing
with replacing(sys.argv[1], force=True) as temporary:
    temporary.write_text("half")
    {code}
"""
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    with replacing(target, force=False) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.suffix == ".txt"  # writers look at it
    assert target.read_text() == "new"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError):
        _write_half(target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_leaves_no_folder_that_was_made_for_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _write_half(tmp_path / "a" / "b" / "c.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_needs_force(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(OutputError, match="--force"), replacing(tmp_path / "a", force=False):
        pass
    with replacing(tmp_path / "a", force=True) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("name", ["folder", ".", "", "folder/..", "absent/.."])
def test_a_file_never_takes_the_place_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder/thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="give the name of a file"), replacing(name, force=True):
        pass
    with pytest.raises(OutputError, match="give the name of a file"):
        require_writable(name, force=True)
    assert Path("folder/thesis.txt").read_text() == "precious"


def test_a_device_or_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(OutputError, match="device or a pipe"), replacing(target, force=True):
            pass


def test_an_output_that_another_command_made_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a"

    def write() -> None:
        with replacing(target, force=False) as temporary:
            temporary.write_text("second")
            target.write_text("first")

    with pytest.raises(OutputError, match="meanwhile"):
        write()
    assert target.read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_dangling_link_is_an_output_that_exists(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(OutputError, match="exists already"), replacing(tmp_path / "link", force=False):
        pass


def test_the_temporary_name_cannot_be_foreseen(tmp_path: Path) -> None:
    names = set()
    for _ in range(2):
        with replacing(tmp_path / "a.json", force=True) as temporary:
            names.add(temporary.name)
    assert len(names) == 2
    assert not any(str(os.getpid()) == part for name in names for part in name.split("."))


def test_what_a_killed_process_left_is_removed_by_the_next_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    (tmp_path / ".notes.part.txt").write_text("the user's")
    _killed(target)
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 3
    with replacing(tmp_path / "b.txt", force=False) as temporary:
        temporary.touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".notes.part.txt", "a.txt", "b.txt"]


def test_what_is_being_written_by_another_process_is_left_alone(tmp_path: Path) -> None:
    program = "import sys\nfrom edgeunet.utils.files import remove_unfinished\nremove_unfinished(sys.argv[1])"
    with replacing(tmp_path / "a", force=False) as temporary:
        temporary.write_text("whole")
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert (tmp_path / "a").read_text() == "whole"


def test_a_folder_of_others_files_is_not_cleaned(tmp_path: Path) -> None:
    (tmp_path / ".a.0123456789abcdef.part").symlink_to(tmp_path)
    remove_unfinished(tmp_path)
    assert (tmp_path / ".a.0123456789abcdef.part").is_symlink()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="free some space"), replacing(tmp_path / "a", force=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_may_not_be_read_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), replacing(tmp_path / "out" / "a", force=False):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "in.png"))


def test_a_name_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="shorter name"):
        require_writable(tmp_path / ("a" * 300), force=False)
    with replacing(tmp_path / ("é" * 120 + ".json"), force=False) as temporary:
        temporary.touch()


def test_asking_beforehand_leaves_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path / "deep" / "a.txt", force=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/a\.txt: not a directory"):
        require_writable(tmp_path / "file" / "a.txt", force=False)


def test_a_real_limit_on_file_size_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from edgeunet.utils.console import run
from edgeunet.utils.files import replacing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
def write():
    with replacing(Path(sys.argv[1]), force=False) as temporary:
        temporary.write_bytes(bytes(100_000))
sys.exit(run(write))
"""
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: cannot write")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_an_input_is_refused_by_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("footage")
    (tmp_path / "link.mp4").symlink_to("clip.mp4")
    os.link(tmp_path / "clip.mp4", tmp_path / "hard.mp4")
    for name in ("clip.mp4", "link.mp4", "hard.mp4", "./clip.mp4"):
        with pytest.raises(UsageError, match=r"--record .* is also --source"):
            require_distinct({"--record": tmp_path / name}, {"--source": ["0", tmp_path / "clip.mp4"]})
    require_distinct({"--record": tmp_path / "other.mp4", "--jsonl": None}, {"--source": tmp_path / "clip.mp4"})


def test_two_outputs_of_one_name_are_refused_before_either_exists(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--jsonl .* is also --record"):
        require_distinct({"--record": tmp_path / "x", "--jsonl": tmp_path / "a" / ".." / "x"}, {})


def test_no_input_lies_in_a_folder_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(UsageError, match="which will be replaced"):
        require_distinct(
            {"-o": tmp_path / "made"}, {"--list": tmp_path / "made" / "a.txt"}, replaced=[tmp_path / "made"]
        )


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("place", ["there", "not/yet/there"])
def test_a_name_too_long_is_found_before_the_work(tmp_path: Path, place: str) -> None:
    (tmp_path / "there").mkdir()
    for name in ("x" * 300, "é" * 128, f"a.{'x' * 300}", f"{'x' * 300}/a.json"):
        with pytest.raises(OutputError, match="choose a shorter name"):
            require_writable(tmp_path / place / name, force=False)
        with pytest.raises(OutputError, match="choose a shorter name"):
            require_folder_writable(tmp_path / place / name, force=False)
    for name in ("x" * 255, f"a.{'x' * 250}"):
        with replacing(tmp_path / name, force=False) as temporary:
            temporary.touch()


def test_a_text_with_bytes_of_a_name_that_are_no_letters_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.md", "caf\udce9 é", force=False)
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "caf? é"


def test_an_output_is_not_written_where_a_dataset_is_read(tmp_path: Path) -> None:
    data, elsewhere = write_dataset(tmp_path / "d", train=1, val=1), tmp_path / "elsewhere"
    (data / "images" / "val").rename(elsewhere)
    (data / "images" / "val").symlink_to(elsewhere)
    for output in (data / "classes.json", data / "images" / "run", data / "masks" / "train" / "a.tif", elsewhere / "a"):
        with pytest.raises(UsageError, match=r"-o .* is inside DATA .*, which is an input"):
            require_distinct({"-o": output}, {"DATA": data})
    require_distinct({"-o": data / "runs" / "first"}, {"DATA": data})
    (data / "classes.json").unlink()
    require_distinct({"-o": data / "masks"}, {"--source": data})
