"""Equal minutes for all: clocks of CPU time, networks that are kept, and the peer's own Python."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from benchmarks.studies.peers import kept_networks
from benchmarks.studies.peers.exported_files import exported
from benchmarks.studies.peers.kept_networks import KEPT, Minutes, kept, run_ours, write_their_lists
from benchmarks.studies.peers.peer_python import PeerPython, make_peer_python
from edgeunet.errors import CommandError, MismatchError, UsageError
from edgeunet.spec import ClassInfo
from edgeunet.utils.files import write_json

PLAN = Minutes(3, (192, 256))
CLOCKS = """
import threading, time
from benchmarks.studies.peers.cpu_time import count_cpu_time
real = time.perf_counter
count_cpu_time()
begin, began = time.monotonic(), real()
threading.Event().wait(0.3)
slept, waited = time.monotonic() - begin, real() - began
while time.process_time() < begin + slept + 0.2:
    pass
print(slept < 0.1, waited > 0.25, time.monotonic() - begin >= 0.2, abs(time.time() - 1.7e9) < 1e10)
"""


def test_clocks_count_the_work_of_a_program_and_waiting_takes_its_real_time() -> None:
    found = subprocess.run([sys.executable, "-c", CLOCKS], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True"] * 4


def test_a_training_is_used_again_and_one_of_other_minutes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nano").mkdir()
    write_json(tmp_path / "nano" / KEPT, {"plan": asdict(PLAN), "cpu_s": 181.5}, force=False)
    peer = PeerPython(Path(sys.executable), tmp_path)
    network = kept("nano", tmp_path, PLAN, peer)
    assert (network.cpu_s, network.is_theirs) == (181.5, False)
    assert network.checkpoint == tmp_path / "nano" / "best.pt"
    with pytest.raises(MismatchError, match=r"3 minutes at 192x256, expected 8 .*: give another --runs"):
        kept("nano", tmp_path, Minutes(8, (192, 256)), peer)


def test_what_is_trained_is_recorded_with_its_cpu_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[object, ...]] = []

    def work(log: Path, *arguments: object, module: str) -> None:
        commands.append((module, *arguments))
        subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.3: pass"], check=True)
        (tmp_path / "nano").mkdir()

    monkeypatch.setattr(kept_networks, "run_ours", work)
    network = kept("nano", tmp_path, PLAN, PeerPython(Path(sys.executable), tmp_path))
    assert 0.2 < network.cpu_s < 5
    assert commands[0][:3] == ("benchmarks.studies.peers.cpu_time", "edgeunet", "train")
    assert {"180s", "192x256", "nano"} < set(map(str, commands[0]))
    assert kept("nano", tmp_path, PLAN, PeerPython(Path(sys.executable), tmp_path)) == network
    assert len(commands) == 1


@pytest.mark.parametrize(("minutes", "size"), [(0, (192, 256)), (3, (190, 256)), (3, (0, 256))])
def test_minutes_and_size_are_checked_before_any_work(minutes: float, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"--minutes is|--size needs multiples of 32"):
        Minutes(minutes, size)


def test_the_peer_is_told_of_classes_and_calibrates_on_the_train_split(tmp_path: Path) -> None:
    classes = [ClassInfo("sky", (1, 2, 3)), ClassInfo("no", (4, 5, 6))]
    write_their_lists(tmp_path / "frames", tmp_path, classes)
    found = [yaml.safe_load((tmp_path / name).read_text()) for name in ("frames.yaml", "calibration.yaml")]
    assert found[0]["names"] == {0: "sky", 1: "no"}
    assert found[0]["label_mapping"] == {2: "ignore_label"}
    assert [each["val"] for each in found] == ["images/val", "images/train"]


@pytest.mark.slow
def test_a_failed_command_says_its_last_line_and_where_the_rest_is(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(CommandError, match=r"export onnx ended with exit code 1: .*no such .*x\.log"):
        run_ours(log, "export", "onnx", tmp_path / "none.pt", "-o", tmp_path / "m.onnx")


@pytest.mark.slow
def test_a_file_that_cannot_be_made_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "nano").mkdir()
    write_json(tmp_path / "nano" / KEPT, {"plan": asdict(PLAN), "cpu_s": 1.0}, force=False)
    peer = PeerPython(Path(sys.executable), tmp_path)
    files = exported(kept("nano", tmp_path, PLAN, peer), tmp_path / "frames", PLAN.size, peer)
    assert (files.fp32, files.int8) == (None, None)
    assert "ended with exit code 1" in files.missing["fp32"]


def test_a_python_without_the_peer_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no ultralytics.*pip install ultralytics.*--peer-python"):
        PeerPython(Path(sys.executable), tmp_path).versions()
    for wrong in (tmp_path / "none", Path("/bin/false")):
        with pytest.raises(UsageError, match="does not run Python"):
            PeerPython(wrong, tmp_path).versions()
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert make_peer_python(tmp_path / "venv") == python


@pytest.mark.slow
def test_their_programs_find_this_checkout_and_a_failure_names_its_log(tmp_path: Path) -> None:
    peer, log = PeerPython(Path(sys.executable), tmp_path), tmp_path / "train.log"
    with pytest.raises(CommandError, match=r"the peer's train ended with exit code 1: see .*train\.log"):
        peer.run("train", "x.yaml", {}, log)
    assert "No module named 'ultralytics'" in log.read_text()
