"""What the terminal shows while the loop runs: frames, rate, drops, and each stage's latency."""

from __future__ import annotations

import time
from types import TracebackType

import numpy as np
from rich.live import Live
from rich.table import Table

from edgeunet import console
from edgeunet.camera.loop import LoopStats

TABLE_EVERY_S = 0.25
LINE_EVERY_S = 5.0
RECENT = 1000  # samples that the quantiles are taken from


class Display:
    """A live table on stderr; a plain line now and then where stderr is no terminal."""

    def __init__(self, total: int | None) -> None:
        """total: how many frames are to come, None if there is no end."""
        self._total = total
        self._console = console.stderr()
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._due = 0.0

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, stats: LoopStats, *, last: bool = False) -> None:
        """Show these figures, if it is time again; always when they are the last ones."""
        now = time.monotonic()
        if now < self._due and not last:
            return
        if self._live is not None:
            self._due = now + TABLE_EVERY_S
            self._live.update(table(stats, self._total, last=last), refresh=True)
        else:
            self._due = now + LINE_EVERY_S
            self._console.print(headline(stats, self._total, last=last))


def headline(stats: LoopStats, total: int | None, *, last: bool = False) -> str:
    """How far, how fast, how long still: "120 of 221 frames · 31.4 frames/s · 3 s left"; `last`: over all frames."""
    parts = [f"{stats.published} of {total} frames" if total else f"{stats.published} frames"]
    rate = stats.fps if last else stats.recent_fps
    if rate:
        parts.append(f"{rate:.1f} frames/s")
        if total and not last:
            parts.append(f"{max(0, total - stats.published) / rate:.0f} s left")
    if stats.dropped:
        parts.append(f"{stats.dropped} dropped")
    return " · ".join(parts)


def table(stats: LoopStats, total: int | None, *, last: bool = False) -> Table:
    """The headline, and p50 and p99 in milliseconds of each stage's latest samples."""
    rows = Table(title=headline(stats, total, last=last), title_style="bold", title_justify="left")
    rows.add_column("stage")
    for name in ("p50 ms", "p99 ms"):
        rows.add_column(name, justify="right")
    for stage, samples_ns in stats.stages_ns.items():
        p50, p99 = np.quantile(samples_ns[-RECENT:], (0.5, 0.99)) / 1e6
        rows.add_row(stage, f"{p50:.1f}", f"{p99:.1f}")
    return rows
