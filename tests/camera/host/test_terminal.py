from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from edgeunet.camera.host.terminal import Display, headline, table
from edgeunet.camera.state.mask_state import Finding, MaskState, StateStats
from edgeunet.camera.statistics import LoopStats, Quantiles
from edgeunet.utils import console

MS = 1_000_000


def stats(published: int = 120, total: int | None = 220, dropped: int = 0) -> LoopStats:
    return LoopStats(
        total=total,
        read=published + dropped,
        published=published,
        dropped=dropped,
        wall_s=4.0,
        recent_fps=25.0,
        age=Quantiles(3, 150 * MS, 50 * MS, 60 * MS, 60 * MS, 60 * MS),
        stages={"infer": Quantiles(3, 60 * MS, 20 * MS, 30 * MS, 30 * MS, 30 * MS)},
    )


def rendered(stats: dict[str, LoopStats]) -> str:
    out = Console(file=io.StringIO(), width=100)
    out.print(table(stats))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def cells(text: str, row: str) -> list[str]:
    return [word for line in text.splitlines() if line.split()[:1] == [row] for word in line.replace("│", " ").split()]


def test_headline_of_a_file_says_how_far_and_how_long_still() -> None:
    assert headline(stats()) == "120 of 220 frames · 25.0 fps · 4 s left"


def test_last_headline_is_over_all_frames_and_promises_no_more() -> None:
    assert headline(stats(), last=True) == "120 of 220 frames · 30.0 fps"


def test_headline_says_a_bad_state_and_at_the_end_how_many_masks_were_in_one() -> None:
    counts = {MaskState.FRESH: 90, MaskState.LATE: 10}
    late = replace(stats(total=None), state=StateStats(Finding(MaskState.LATE, "50 ms old"), 0, counts))
    assert headline(late) == "120 frames · 25.0 fps · late (50 ms old)"
    assert headline(late, last=True) == "120 frames · 30.0 fps · 10.0 % late"
    assert headline(replace(late, state=StateStats(Finding(MaskState.FRESH), 0, counts))) == "120 frames · 25.0 fps"


def test_headline_of_a_camera_says_what_went_wrong() -> None:
    assert headline(stats(total=None, dropped=7)) == "120 frames · 25.0 fps · 7 dropped"
    bad = LoopStats(published=9, misses=4, longest_miss=3, corrupt=1, failed=2, reconnects=5)
    assert headline(bad) == "9 frames · 4 late, 3 in a row · 1 corrupt · 2 failed · 5 reconnects"


def test_one_frame_is_one_frame() -> None:
    assert headline(stats(1, total=1), last=True).startswith("1 of 1 frame ·")
    assert headline(stats(1, total=None), last=True).startswith("1 frame ·")
    assert headline(stats(1, total=3), last=True).startswith("1 of 3 frames ·")


def test_table_shows_p50_and_p99_of_age_and_each_stage_in_milliseconds() -> None:
    text = rendered({"clip": stats()})
    assert cells(text, "infer") == ["infer", "20.0", "30.0"]
    assert cells(text, "age") == ["age", "50.0", "60.0"]
    assert cells(text, "jitter") == ["jitter", "–", "–"]  # two masks are not enough
    assert "120 of 220 frames · 25.0 fps · 4 s left" in text


def test_table_of_several_sources_has_columns_for_each() -> None:
    text = rendered({"camera 0": stats(), "camera [1]": LoopStats()})
    assert cells(text, "infer") == ["infer", "20.0", "30.0", "–", "–"]
    assert "(1) camera 0: 120 of 220 frames" in text
    assert "(2) camera [1]: 0 frames" in text
    assert "p99 (2)" in text


def test_terminal_gets_a_table_and_a_pipe_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        out = io.StringIO()
        target = Console(file=out, force_terminal=terminal, width=100, soft_wrap=True, highlight=False)
        monkeypatch.setattr(console, "stderr", lambda target=target: target)
        with Display() as display:
            display.update({"clip": stats()})
            display.update({"clip": stats(121)})  # too early to be shown
            display.note("camera [0] is back")
            display.update({"clip": stats(220)}, last=True)
        text = out.getvalue()
        assert ("infer" in text) == terminal
        assert "120 of 220 frames" in text
        assert "121 of" not in text
        assert "220 of 220 frames" in text
        assert "note: camera [0] is back" in text


class Broken(io.StringIO):
    """A full disk, a closed pipe, or a stream that is closed."""

    def __init__(self, error: Exception, *, terminal: bool) -> None:
        super().__init__()
        self.error, self.terminal = error, terminal

    def write(self, text: str) -> int:
        raise self.error

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed")])
def test_a_display_that_cannot_be_written_is_given_up(
    error: Exception, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Broken(error, terminal=terminal))
    monkeypatch.setenv("TERM", "xterm")
    with Display() as display:
        for number in range(3):
            display.update({"clip": stats(number)}, last=True)
            display.note("something")
            display.say("one", "two")
