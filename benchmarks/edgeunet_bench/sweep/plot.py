"""The plot of latency against mIoU, with the pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeunet.errors import UsageError
from edgeunet.utils.files import replacing, require_writable
from edgeunet_bench.render.plots import INK, PALETTE, any_names, figure, label, svg
from edgeunet_bench.sweep.grid import SweepOptions
from edgeunet_bench.sweep.pareto import front, latency_ms, names, within
from edgeunet_bench.sweep.sweep_file import Row, Sweep

SIZE = (4.4, 3.4)  # inches: taller than the report's other plots, for the names
SUFFIXES = (".svg", ".png")
LEAST_MS = 1e-3  # that a logarithmic axis shows: the clock is good for no less
LEAST_SPAN = 2.0  # points of mIoU that the axis shows at least
_AROUND = [  # places for a name next to its point: offset in points, horizontal and vertical alignment
    (7, 5, "left", "bottom"),
    (7, -5, "left", "top"),
    (-7, 5, "right", "bottom"),
    (-7, -5, "right", "top"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
]
_FARTHER = [  # for a name that must be shown
    (14, 14, "left", "bottom"),
    (14, -14, "left", "top"),
    (-14, 14, "right", "bottom"),
    (-14, -14, "right", "top"),
    (0, 22, "center", "bottom"),
    (0, -22, "center", "top"),
]


def pareto_plot(sweep: Sweep) -> str:
    """Inline SVG for the report; raises UsageError for a sweep without any mIoU."""
    return svg(*_drawn(sweep))


def require_plot(path: Path, options: SweepOptions, *, force: bool) -> None:
    """Raise UsageError or OutputError, before long work, for a plot that could not be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a plot is a file .svg or .png, got {path}")
    if not options.labelled:
        raise UsageError(f"the plot shows latency against mIoU: give --data with masks/{options.split}")
    require_writable(path, force=force)


def write_plot(path: Path, sweep: Sweep, *, force: bool) -> None:
    """Write the plot on a white ground, as SVG or PNG by the file's ending; raises as pareto_plot and replacing."""
    plot, _ = _drawn(sweep)
    with replacing(path, force=force) as temporary, any_names():
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        plot.savefig(temporary, dpi=200, facecolor="white", metadata=metadata)


def _drawn(sweep: Sweep) -> tuple[Any, Any]:
    """The figure and its axes. Points on the front have their names; the others where there is room."""
    rows = [row for row in sweep.rows if row.miou is not None]
    if not rows:
        raise UsageError("the plot shows latency against mIoU, and the sweep has no mIoU: give --data with masks")
    best = front(rows)
    plot, axes = figure("latency p50, ms; the line ends at p99", "mIoU, %")
    plot.set_size_inches(*SIZE)
    axes.plot(*zip(*map(_point, best), strict=True), drawstyle="steps-post", color=INK, alpha=0.4, linewidth=1.2)
    for row in rows:
        (x, y), color = _point(row), PALETTE[0] if row in best else INK
        alpha = 1.0 if row in best else 0.4
        axes.plot([x, max(LEAST_MS, row.summary.p99.value)], [y, y], color=color, alpha=0.4 * alpha, linewidth=1.2)
        axes.plot(x, y, "o", markersize=5, color=color, alpha=alpha)
    chosen = None if sweep.budget_ms is None else within(rows, sweep.budget_ms)
    if sweep.budget_ms is not None:
        _mark_budget(axes, sweep.budget_ms, chosen)
    _stretch(axes)
    name = dict(zip(map(id, rows), names(rows), strict=True))
    needed = list(dict.fromkeys([*best, *filter(None, [chosen])]))
    ordered = [*needed, *(row for row in rows if row not in needed)]
    _write_names(plot, axes, [(_point(row), name[id(row)], row in needed) for row in ordered])
    return plot, axes


def _stretch(axes: Any) -> None:
    """A logarithmic axis of latency with plain numbers, on which one slow frame does not push the models together.

    And one of mIoU on which hundredths of a point look as small as they are.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator

    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.2)
    low, high = axes.get_ylim()
    if high - low < LEAST_SPAN:
        middle = (low + high) / 2
        axes.set_ylim(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)
    left, right = axes.get_xlim()
    # 1, 2, 5, 10: of a narrow range these may be none.
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if right > 8 * left else MaxNLocator(5))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def _point(row: Row) -> tuple[float, float]:
    return max(LEAST_MS, latency_ms(row)), 100 * (row.miou or 0)


def _mark_budget(axes: Any, budget_ms: float, chosen: Row | None) -> None:
    place = max(LEAST_MS, budget_ms)
    axes.axvline(place, color=PALETTE[1], linestyle="--", linewidth=1.2)
    top = axes.get_xaxis_transform()
    axes.text(place, 1.0, f"{budget_ms:g} ms", transform=top, color=PALETTE[1], ha="center", va="bottom")
    if chosen is not None:
        axes.plot(*_point(chosen), "o", markersize=11, markerfacecolor="none", markeredgecolor=PALETTE[1])


def _write_names(plot: Any, axes: Any, points: Sequence[tuple[tuple[float, float], str, bool]]) -> None:
    """Next to each point, where it hides nothing. points: where, the name, whether it must be there."""
    with any_names():
        plot.draw_without_rendering()  # settles the layout, so that places on the page are known
    spots = [axes.transData.transform(where) for where, _, _ in points]
    room = axes.bbox
    taken: list[Any] = []
    for where, name, needed in points:
        places = _AROUND + _FARTHER if needed else _AROUND
        for attempt, (dx, dy, ha, va) in enumerate(places, 1):
            offset = {"xytext": (dx, dy), "textcoords": "offset points", "ha": ha, "va": va, "in_layout": False}
            text = axes.annotate(label(name), where, **offset, fontsize=8, color=INK, alpha=1.0 if needed else 0.6)
            box = text.get_window_extent()
            inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
            free = not any(box.overlaps(other) for other in taken) and not any(box.contains(*spot) for spot in spots)
            if (inside and free) or (needed and attempt == len(places)):
                taken.append(box)
                break
            text.remove()
