"""A few cases of the fuzzer find nothing, and the judge sees what is planted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzzer.arguments import options_of
from tests.fuzzer.judge import judged


def _fail() -> None:
    sys.stderr.write("error: no\n")
    sys.exit(1)


def _leave(name: str) -> None:
    Path(name).write_text("half")
    _fail()


def _raise() -> None:
    raise ValueError("planted")


def _raise_in_a_thread() -> None:
    thread = threading.Thread(target=_raise)
    thread.start()
    thread.join()


PLANTED: list[tuple[Callable[[], object], str, str]] = [
    (_fail, "clean", ""),
    (lambda: Path("out/new").write_text("x"), "clean", ""),
    (_raise, "traceback", "ValueError"),
    (_raise_in_a_thread, "traceback", "ValueError"),
    (lambda: os.kill(os.getpid(), signal.SIGSEGV), "crash", "SIGSEGV"),
    (lambda: time.sleep(60), "hang", "no end"),
    (lambda: b"x" * (200 << 20), "memory", "too much memory"),
    (lambda: _leave("out/new"), "leftover", "out/new is there"),
    (lambda: _leave("out/before"), "leftover", "out/before is changed"),
    (lambda: Path("in/model").write_text("x"), "leftover", "in/model is changed"),
    (lambda: Path("out/.new.0123abcd.part").write_text("x"), "leftover", "temporary file"),
    (lambda: os.posix_spawnp("sleep", ["sleep", "60"], os.environ), "leftover", "a process goes on"),
    (lambda: sys.exit(1), "silent", "exit code 1"),
    (lambda: sys.exit(9), "silent", "exit code 9"),
]


@pytest.mark.parametrize(("target", "state", "why"), PLANTED)
def test_the_judge_sees_what_is_planted(target: Callable[[], object], state: str, why: str, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    for name in ("in/model", "out/before"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("as it was")
    limit_s = 0.2 if state == "hang" else 20.0
    verdict = judged(target, ["info", "in/model"], folder, limit_s=limit_s, limit_bytes=100 << 20)
    assert verdict.state == state, verdict.said
    assert why in verdict.why


@pytest.mark.slow
def test_a_few_cases_end_cleanly() -> None:
    command = [sys.executable, "-m", "tests.fuzzer", "--rounds", "1", "--seconds", "5", "--seed", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    total = next(line.split()[1:] for line in ended.stdout.splitlines() if line.startswith("total"))
    tried, clean, *others = map(int, total)
    assert tried == clean > 0
    assert not any(others)


def test_odd_options_are_those_of_the_command() -> None:
    assert {"--data", "--method", "--target"} <= {*options_of(["export", "int8", "in/model.onnx"])}
    assert "--split" in options_of(["evaluate"])
