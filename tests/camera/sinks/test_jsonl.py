from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.sinks.jsonl import STDOUT, LineWriter, check_lines, facts_of
from edgeunet.camera.state.mask_state import Finding, MaskState, StateReport
from edgeunet.errors import OutputError
from tests.camera.shots import shot_of
from tests.models import toy_spec
from tests.processes import started

CLASSES = ("road", "car", "sky")
PICTURE = np.zeros((40, 90, 3), np.uint8)


def test_a_line_says_when_how_long_and_how_much_of_each_class() -> None:
    mask = np.full(toy_spec().input_size, 2, np.uint8)  # sky, in the bars above and below the frame only
    mask[5:26, :12], mask[5:26, 12:] = 0, 1
    facts = facts_of(shot_of(PICTURE, 0.25, number=7, mask=mask), CLASSES)
    captured = datetime.fromisoformat(facts["captured"])
    assert abs((datetime.now(timezone.utc) - captured).total_seconds()) < 5
    assert 0 < time.perf_counter_ns() - facts["captured_ns"] < 5e9
    assert facts == {
        "source": "fake",
        "frame": 7,
        "time_s": 0.25,
        "captured_ns": facts["captured_ns"],
        "captured": facts["captured"],
        "age_ms": 12.0,
        "stages_ms": {"read": 2.0, "fit": 0.5, "infer": 10.0, "draw": 1.5},
        "dropped": 3,
        "state": "late",
        "reason": "12 ms old, the deadline is 10 ms",
        "classes": {"road": 0.25, "car": 0.75, "sky": 0.0},
    }


def test_a_line_names_the_model_where_several_take_turns() -> None:
    shot = shot_of(PICTURE)
    assert "model" not in facts_of(shot, CLASSES)
    shot = replace(shot, result=replace(shot.result, model="small.onnx"))
    assert facts_of(shot, CLASSES)["model"] == "small.onnx"


def test_frames_that_are_paired_have_their_group(tmp_path: Path) -> None:
    shot = shot_of(PICTURE, 0.0)
    for paired, groups in ((True, [3, None]), (False, ["no group"] * 2)):
        path = tmp_path / f"{paired}.jsonl"
        with LineWriter(path, CLASSES, force=False, paired=paired) as lines:
            lines.write(replace(shot, group=3))
            lines.write(shot)
        assert [json.loads(line).get("group", "no group") for line in path.read_text().splitlines()] == groups


def test_a_silent_source_gets_a_line_without_a_mask(tmp_path: Path) -> None:
    none = Finding(MaskState.NONE, "no mask for 0.2 s")
    path = tmp_path / "frames.jsonl"
    with LineWriter(path, CLASSES, force=False) as lines:
        lines.write_states([StateReport("front", none, 212_345_678), StateReport("back", none)])
    front, back = map(json.loads, path.read_text().splitlines())
    assert abs((datetime.now(timezone.utc) - datetime.fromisoformat(front["time"])).total_seconds()) < 5
    said = {"time": front["time"], "state": "none", "reason": "no mask for 0.2 s"}
    assert front == {"source": "front", "age_ms": 212.346, **said}
    assert (back["source"], back["age_ms"]) == ("back", None)


def test_a_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "frames.jsonl"
    with LineWriter(path, CLASSES, force=False) as lines:
        for number in range(3):
            lines.write(shot_of(PICTURE, number=number))
            written = path.read_text().splitlines()
            assert [json.loads(line)["frame"] for line in written] == list(range(number + 1))
    with pytest.raises(OutputError, match="exists already: give --force"):
        check_lines(path, force=False)
    with LineWriter(path, CLASSES, force=True):
        pass
    assert path.read_text() == ""


WRITE = """
import os, sys
import numpy as np
from pathlib import Path
from edgeunet.utils import console
from edgeunet.camera.sinks.jsonl import LineWriter
from tests.camera.shots import shot_of

def write():
    with LineWriter(Path(sys.argv[2]), ("road", "car", "sky"), force=False) as lines:
        os.write(1, b"GST_ARGUS: Creating output stream\\n")  # as the driver of a CSI camera does, in C
        for number in range(int(sys.argv[1])):
            lines.write(shot_of(np.zeros((40, 90, 3), np.uint8), number=number))

sys.exit(console.run(write))
"""


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout_carries_only_lines(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", WRITE, "3", name], check=True, capture_output=True, text=True)
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1, 2]
    assert done.stderr == ""


def test_a_reader_that_ends_is_one_error() -> None:
    command = [sys.executable, "-c", WRITE, "100000", "-"]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["frame"] == 0
        process.stdout.close()
        assert process.stderr.read() == "error: --jsonl -: the program that read the lines has ended\n"
        assert process.wait(timeout=30) == 1


def test_stdout_needs_no_permission() -> None:
    check_lines(STDOUT[0], force=False)


def test_a_closed_stdout_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="standard output is closed"):
        check_lines(STDOUT[0], force=False)


def test_a_pipe_with_a_name_gets_lines(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        with LineWriter(pipe, CLASSES, force=False) as lines:
            lines.write(shot_of(PICTURE, number=5))
        assert reader.stdout is not None
        assert json.loads(reader.stdout.read())["frame"] == 5


def test_a_full_disk_is_one_error(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(256 * 1024 - os.sysconf("SC_PAGE_SIZE")))
    with LineWriter(small_disk / "frames.jsonl", CLASSES, force=False) as lines:

        def write(count: int) -> None:
            for number in range(count):
                lines.write(shot_of(PICTURE, number=number))

        with pytest.raises(OutputError, match=r"frames.jsonl: no space left on device; free some space"):
            write(100)
    text = (small_disk / "frames.jsonl").read_text()
    assert text.endswith("}\n")
    assert [json.loads(line)["frame"] for line in text.splitlines()] == list(range(text.count("\n")))


def test_a_pipe_that_nobody_reads_yet_keeps_no_other_sink_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with LineWriter(tmp_path / "pipe", CLASSES, force=False) as lines:  # all sinks are entered before the first frame
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        lines.write(shot_of(PICTURE, number=5))
        assert json.loads(os.read(reader, 4096))["frame"] == 5
        os.close(reader)
        with pytest.raises(OutputError, match=r"pipe: the program that read the lines has ended"):
            lines.write(shot_of(PICTURE))
