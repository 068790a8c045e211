"""What the terminal shows while the loop runs: frames, rate, drops, frame age and each stage's time, by source."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.live import Live
from rich.table import Table

from edgeunet import console
from edgeunet.camera.statistics import LoopStats

TABLE_EVERY_S = 0.25
LINE_EVERY_S = 5.0


class Display:
    """A live table on stderr; a plain line for each source now and then where stderr is no terminal."""

    def __init__(self) -> None:
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

    def note(self, line: str) -> None:
        """Say something that happened, above the table. From any thread."""
        self._console.print(f"note: {line}", markup=False)

    def update(self, stats: Mapping[str, LoopStats], *, last: bool = False) -> None:
        """Show these figures by source, if it is time again; always when they are the last ones."""
        now = time.monotonic()
        if now < self._due and not last:
            return
        if self._live is not None:
            self._due = now + TABLE_EVERY_S
            self._live.update(table(stats, last=last), refresh=True)
            return
        self._due = now + LINE_EVERY_S
        for line in _headlines(stats, last=last):
            self._console.print(line, markup=False)


def headline(stats: LoopStats, *, last: bool = False) -> str:
    """How far, how fast, how long still, and what went wrong: "120 of 221 frames · 31.4 frames/s · 3 s left".

    last: the rate is over all frames.
    """
    total = stats.total
    parts = [f"{stats.published} of {total} frames" if total else f"{stats.published} frames"]
    rate = stats.fps if last else stats.recent_fps
    if rate:
        parts.append(f"{rate:.1f} frames/s")
        if total and not last:
            parts.append(f"{max(0, total - stats.published) / rate:.0f} s left")
    if stats.misses:
        parts.append(f"{stats.misses} late, {stats.longest_miss} in a row")
    counts = {
        "dropped": stats.dropped,
        "corrupt": stats.corrupt,
        "failed": stats.failed,
        "reconnects": stats.reconnects,
    }
    return " · ".join(parts + [f"{count} {name}" for name, count in counts.items() if count])


def table(stats: Mapping[str, LoopStats], *, last: bool = False) -> Table:
    """The headlines, and p50 and p99 in ms of frame age, jitter and each stage; two columns for each source."""
    title = "\n".join(_headlines(stats, last=last))
    rows = Table(title=title, title_style="bold", title_justify="left")
    rows.add_column("")
    for name in stats:
        for quantile in ("p50 ms", "p99 ms"):
            rows.add_column(quantile if len(stats) == 1 else f"{name}\n{quantile}", justify="right")
    figures = {name: {"age": s.age, "jitter": s.jitter, **s.stages} for name, s in stats.items()}
    for row in dict.fromkeys(row for quantiles in figures.values() for row in quantiles):
        cells = []
        for quantiles in figures.values():
            found = quantiles.get(row)
            cells += [f"{ns / 1e6:.1f}" for ns in (found.p50_ns, found.p99_ns)] if found and found.count else ["–", "–"]
        rows.add_row(row, *cells)
    return rows


def _headlines(stats: Mapping[str, LoopStats], *, last: bool) -> list[str]:
    """One for each source, with its name where there are several."""
    lines = {name: headline(s, last=last) for name, s in stats.items()}
    return list(lines.values()) if len(lines) == 1 else [f"{name}: {line}" for name, line in lines.items()]
