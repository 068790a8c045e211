"""Which model to take: the Pareto front of latency and mIoU, and the best one within a budget.

The front is of p50, which varies least from run to run. For the budget p99 counts, because the slow frames miss it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeunet.utils.formatting import percentage
from edgeunet_bench.render.tables import milliseconds
from edgeunet_bench.sweep.sweep_file import Row, Sweep


def latency_ms(row: Row) -> float:
    """p50, end to end: by which rows are sorted and drawn."""
    return row.summary.p50.value


def front(rows: Sequence[Row]) -> list[Row]:
    """The pareto front, the fastest first: each has a higher mIoU than every faster row."""
    best: list[Row] = []
    for row in sorted((r for r in rows if r.miou is not None), key=lambda r: (latency_ms(r), -(r.miou or 0))):
        if not best or (row.miou or 0) > (best[-1].miou or 0):
            best.append(row)
    return best


def within(rows: Sequence[Row], budget_ms: float) -> Row | None:
    """The row with the highest mIoU of those whose p99 is within the budget; None if there is none with a mIoU."""
    fitting = front([row for row in rows if _slow_ms(row) <= budget_ms])
    return fitting[-1] if fitting else None


def names(rows: Sequence[Row]) -> list[str]:
    """A short name for each row: the model, and of input size, backend and threads what varies with that model."""
    return [
        ", ".join((row.model.removesuffix(".onnx"), *_varying(row, [r for r in rows if r.model == row.model])))
        for row in rows
    ]


def advice(sweep: Sweep) -> str:
    """Which model to take for the budget, or the choice, in words."""
    rows = sorted(sweep.rows, key=latency_ms)
    name = dict(zip(map(id, rows), names(rows), strict=True))

    def told(row: Row) -> str:
        times = f"p50 {milliseconds(latency_ms(row))} ms, p99 {milliseconds(_slow_ms(row))} ms"
        return f"{name[id(row)]} ({times}" + (")" if row.miou is None else f", mIoU {percentage(row.miou)} %)")

    if sweep.budget_ms is None:
        if best := front(rows):
            return f"pareto front (nothing faster is as accurate): {'; '.join(map(told, best))}"
        return f"the fastest is {told(rows[0])}; with labelled --data the sweep finds the pareto front"
    budget = f"{sweep.budget_ms:g} ms"
    if row := within(rows, sweep.budget_ms):
        return f"for {budget} take {told(row)}"
    nearest = min(rows, key=_slow_ms)
    if _slow_ms(nearest) > sweep.budget_ms:
        return f"no model has its p99 within {budget}: the nearest is {told(nearest)}"
    count = sum(_slow_ms(r) <= sweep.budget_ms for r in rows)
    return (
        f"{count} of {len(rows)} have their p99 within {budget}; the fastest is {told(nearest)}; "
        "labelled --data is needed to say which is the most accurate"
    )


def _varying(row: Row, others: Sequence[Row]) -> Iterator[str]:
    if len({r.input_size for r in others}) > 1:
        yield f"{row.input_size[0]}×{row.input_size[1]}"
    if len({r.backend for r in others}) > 1:
        yield row.backend
    if len({r.threads for r in others}) > 1 and row.threads is not None:
        yield f"{row.threads} thread{'s' if row.threads > 1 else ''}"


def _slow_ms(row: Row) -> float:
    return row.summary.p99.value
