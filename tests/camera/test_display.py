from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from edgeunet import console
from edgeunet.camera.display import Display, headline, table
from edgeunet.camera.loop import LoopStats


def stats(published: int = 120, dropped: int = 0) -> LoopStats:
    stages = {
        "infer": np.array([10, 20, 30], np.int64) * 1_000_000,
        "latency": np.array([40, 50, 60], np.int64) * 1_000_000,
    }
    return LoopStats(published + dropped, published, dropped, 4.0, stages, recent_fps=25.0)


def rendered(stats: LoopStats, total: int | None) -> str:
    out = Console(file=io.StringIO(), width=100)
    out.print(table(stats, total))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_headline_of_a_file_says_how_far_and_how_long_still() -> None:
    assert headline(stats(), 220) == "120 of 220 frames · 25.0 frames/s · 4 s left"


def test_last_headline_is_over_all_frames_and_promises_no_more() -> None:
    assert headline(stats(), 220, last=True) == "120 of 220 frames · 30.0 frames/s"


def test_headline_of_a_camera_says_what_was_dropped() -> None:
    assert headline(stats(dropped=7), None) == "120 frames · 25.0 frames/s · 7 dropped"


def test_table_gives_p50_and_p99_of_each_stage_in_milliseconds() -> None:
    text = rendered(stats(), 220)
    assert [line.split() for line in text.splitlines() if "infer" in line] == [
        ["│", "infer", "│", "20.0", "│", "29.8", "│"]
    ]
    assert "latency" in text
    assert "120 of 220 frames" in text


def test_terminal_gets_a_table_and_a_pipe_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        out = io.StringIO()
        target = Console(file=out, force_terminal=terminal, width=100, soft_wrap=True)
        monkeypatch.setattr(console, "stderr", lambda target=target: target)
        with Display(220) as display:
            display.update(stats())
            display.update(stats(published=121))  # too early to be shown
            display.update(stats(published=220), last=True)
        text = out.getvalue()
        assert ("infer" in text) == terminal
        assert "120 of 220 frames" in text
        assert "121 of" not in text
        assert "220 of 220 frames" in text
