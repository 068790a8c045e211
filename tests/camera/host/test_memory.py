from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeunet.camera.host.memory import HeapTrimmer
from tests.camera.running import Running
from tests.camera.videos import eventually
from tests.models import write_toy_model

SOURCE = "synthetic://?width=1280&height=720&fps=60"
# The command, but it gives memory back ten times a second.
OFTEN = "from edgeunet.camera.host import memory; memory.EVERY_S = 0.1; from edgeunet.cli import main; main()"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap is Linux's")
def test_memory_of_frames_that_had_to_wait_is_given_back(tmp_path: Path) -> None:
    """Nobody reads the lines, so frames wait for them, 5.5 MB each, until somebody does."""
    model = write_toy_model(tmp_path / "toy.onnx")
    with Running(model, "--source", SOURCE, "--serve", "0", code=OFTEN) as running:
        running.lines(30)
        calm_mb = running.rss_mb()
        eventually(lambda: running.rss_mb() > calm_mb + 15, timeout_s=40)
        reader = threading.Thread(target=running.end)
        reader.start()
        eventually(lambda: running.rss_mb() < calm_mb + 8, timeout_s=40)
        running.send(signal.SIGINT)
        reader.join(30)


def test_it_is_given_back_every_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    now = [100.0]
    monkeypatch.setattr("edgeunet.camera.host.memory.time", SimpleNamespace(monotonic=lambda: now[0]))
    memory = HeapTrimmer()
    monkeypatch.setattr(memory, "_trim", calls.append)
    for now[0] in (100.0, 101.0, 129.0, 130.1, 131.0):
        memory.give_back()
    assert calls == [0, 0]
