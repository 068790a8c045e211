"""What the terminal shows while the loop runs, by source: frames, rate, drops, frame age, time of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgeunet.camera.state.mask_state import MaskState, StateStats
from edgeunet.camera.statistics import LoopStats
from edgeunet.utils import console

TABLE_EVERY_S = 0.25
LINE_EVERY_S = 5.0


class Display:
    """A live table on stderr; if that is no terminal, a plain line for each source from time to time.

    Once nothing can be written (a full disk, a closed pipe or terminal), it shows nothing more.
    """

    def __init__(self) -> None:
        self._console: Console | None = console.stderr()
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._due = 0.0

    def __enter__(self) -> Display:
        if self._live is not None:
            self._try(self._live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._try(self._live.stop)

    def note(self, line: str) -> None:
        """A note above the table. From any thread."""
        self.say(f"note: {line}")

    def say(self, *lines: str) -> None:
        """Lines above the table. From any thread."""
        if lines and (out := self._console) is not None:
            self._try(lambda: out.print(*lines, sep="\n"))

    def update(self, stats: Mapping[str, LoopStats], *, last: bool = False) -> None:
        """Show these figures by source, if it is time; the last ones always."""
        now = time.monotonic()
        if now < self._due and not last:
            return
        if (live := self._live) is not None:
            self._due = now + TABLE_EVERY_S
            self._try(lambda: live.update(table(stats, last=last), refresh=True))
            return
        self._due = now + LINE_EVERY_S
        self.say(*_headlines(stats, last=last))

    def _try(self, show: Callable[[], None]) -> None:
        if self._console is None:
            return
        try:
            show()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._console = None


def headline(stats: LoopStats, *, last: bool = False) -> str:
    """Progress, rate, time left and faults: "120 of 221 frames · 31.4 fps · 3 s left".

    Bad states too: the one now, or the share of the masks.

    last: the rate is over all frames.
    """
    total = stats.total
    parts = [f"{stats.published} of {total} frames" if total else f"{stats.published} frames"]
    if (total or stats.published) == 1:
        parts = [parts[0].removesuffix("s")]
    rate = stats.fps if last else stats.recent_fps
    if rate:
        parts.append(f"{rate:.1f} fps")
        if total and not last:
            parts.append(f"{max(0, total - stats.published) / rate:.0f} s left")
    if stats.misses:
        parts.append(f"{stats.misses} late, {stats.longest_miss} in a row")
    counts = {
        "dropped": stats.dropped,
        "corrupt": stats.corrupt,
        "failed": stats.failed,
        "unpaired": stats.unpaired,
        "reconnect" if stats.reconnects == 1 else "reconnects": stats.reconnects,
    }
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    return " · ".join(parts + _states(stats.state, last=last))


def _states(states: StateStats, *, last: bool) -> list[str]:
    """The state now, or at the end the share of each, if it is a bad one."""
    shown = [state for state in MaskState if state.speaks_against]
    if not last:
        return [str(states.finding)] if states.counts and states.finding.state in shown else []
    return [f"{100 * states.share(state):.1f} % {state}" for state in shown if states.counts.get(state)]


def table(stats: Mapping[str, LoopStats], *, last: bool = False) -> Group:
    """The headlines, and p50 and p99 of frame age, jitter and each stage in ms; two columns for each source."""
    rows = Table(box=box.SIMPLE_HEAD)
    rows.pad_edge, rows.padding = False, (0, 1, 0, 0)
    rows.add_column("ms")
    for number in range(len(stats)):
        for quantile in ("p50", "p99"):
            rows.add_column(
                quantile if len(stats) == 1 else f"{quantile} ({number + 1})", justify="right", no_wrap=True
            )
    figures = {name: {"age": s.age, "jitter": s.jitter, **s.stages} for name, s in stats.items()}
    for row in dict.fromkeys(row for quantiles in figures.values() for row in quantiles):
        cells = []
        for quantiles in figures.values():
            found = quantiles.get(row)
            cells += [f"{ns / 1e6:.1f}" for ns in (found.p50_ns, found.p99_ns)] if found and found.count else ["–", "–"]
        rows.add_row(row, *cells)
    return Group(Text(console.printable("\n".join(_headlines(stats, last=last))), style="bold"), rows)


def _headlines(stats: Mapping[str, LoopStats], *, last: bool) -> list[str]:
    """One for each source; if there are several, with its number in the table and its name."""
    lines = [(name, headline(s, last=last)) for name, s in stats.items()]
    if len(lines) == 1:
        return [lines[0][1]]
    return [f"({number}) {name}: {line}" for number, (name, line) in enumerate(lines, 1)]
