"""Which of the candidates that were measured on the device to train: a pure function of a sweep and a budget.

p99 is compared with the budget, not p50: the slow frames miss a deadline, and a sweep advises by p99 too.
Of the rows within the budget, the network that promises most comes first (by its operations: more of them are more
accurate as a rule), and for the same network the widest numbers. Only training shows whether the rule holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edgeunet.errors import MismatchError, UsageError
from edgeunet.utils.limits import require_duration, require_in
from edgeunet_bench.render.tables import milliseconds
from edgeunet_bench.sweep.pareto import names
from edgeunet_bench.sweep.sweep_file import Row, Sweep

PRECISIONS = ("int8", "int8+fp16", "fp16", "fp32")
"""From the narrowest to the widest."""
Promise = Callable[[str, tuple[int, int]], float]
"""Preset's name, (height, width) → a number that is larger for the network that will be more accurate."""


@dataclass(frozen=True)
class DeviceBudget:
    """What a frame may take, at p99, and what the board may draw on average while it runs frame after frame."""

    ms: float
    mw: float | None = None

    def __post_init__(self) -> None:
        require_duration("--budget-ms", self.ms)
        require_in("--budget-mw", self.mw, 1e-3, 1e9)

    def __str__(self) -> str:
        return f"{self.ms:g} ms" + ("" if self.mw is None else f" and {self.mw:g} mW")

    def used(self, row: Row) -> float:
        """The larger share of the budget that a row takes; more than 1 is too much."""
        power = power_mw(row)
        if self.mw is None:
            return row.summary.p99.value / self.ms
        return math.inf if power is None else max(row.summary.p99.value / self.ms, power / self.mw)


@dataclass(frozen=True)
class Rejected:
    """A candidate that was not taken, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Shortlist:
    """The rows to try, the best first, under their names, and what was rejected before anything was trained."""

    rows: tuple[tuple[str, Row], ...]
    rejected: tuple[Rejected, ...]


def power_mw(row: Row) -> float | None:
    """Mean power while it runs one frame after another, idle draw included; None where it was not measured."""
    return None if row.energy_mj is None or not row.summary.mean else 1000 * row.energy_mj / row.summary.mean


def figures(row: Row) -> str:
    """What is compared with a budget, for people."""
    power = power_mw(row)
    return f"p99 {milliseconds(row.summary.p99.value)} ms" + ("" if power is None else f", {power:.0f} mW")


def choose(sweep: Sweep, budget: DeviceBudget, promise: Promise) -> Shortlist:
    """Raises MismatchError if no row names its network, if power is asked for and was not measured, or if none fits.

    promise: of a preset at an input size; raises UsageError where there is no such network.
    """
    named = [(name, row) for name, row in zip(names(sweep.rows), sweep.rows, strict=True)]
    rejected = [Rejected(s.model, f"did not run on the device: {s.reason}") for s in sweep.skipped]
    reasons = [_untrainable(row, promise) for _, row in named]
    rejected += [Rejected(name, reason) for (name, _), reason in zip(named, reasons, strict=True) if reason]
    known = [pair for pair, reason in zip(named, reasons, strict=True) if not reason]
    if not known:
        raise MismatchError(
            f"no row of the record can be trained ({rejected[-1].name} {rejected[-1].reason}): write files with "
            "`edgeunet fit DATA --candidates FOLDER`, and sweep these on the device"
        )
    if budget.mw is not None and all(row.energy_mj is None for _, row in known):
        raise MismatchError(
            "the record has no energy, because the device reported no power: leave out --budget-mw, or sweep "
            "on a board whose rails `edgeunet doctor` shows"
        )
    fitting = [(name, row) for name, row in known if budget.used(row) <= 1]
    if not fitting:
        name, nearest = min(known, key=lambda pair: (budget.used(pair[1]), pair[1].summary.p99.value))
        raise MismatchError(
            f"nothing in the record is within {budget} (p99): the closest is {name} with {figures(nearest)}; give a "
            f"larger budget, or sweep candidates of smaller --sizes"
        )
    rejected += [Rejected(name, _too_much(row, budget)) for name, row in known if budget.used(row) > 1]
    rows: dict[tuple[str, tuple[int, int], str], tuple[str, Row]] = {}
    for name, row in sorted(fitting, key=lambda pair: pair[1].summary.p99.value):
        key = (row.network, row.input_size, row.precision)
        if key in rows:
            rejected.append(Rejected(name, f"the same file is faster as {rows[key][0]}"))
        else:
            rows[key] = (name, row)

    def rank(pair: tuple[str, Row]) -> tuple[float, int]:
        return promise(pair[1].network, pair[1].input_size), PRECISIONS.index(pair[1].precision)

    return Shortlist(tuple(sorted(rows.values(), key=rank, reverse=True)), tuple(rejected))


def _untrainable(row: Row, promise: Promise) -> str:
    """Why nothing can be trained for a row; "" where it can."""
    if not row.network:
        return "names no network that can be trained"
    if row.precision not in PRECISIONS:
        return f"has the precision {row.precision!r}, which is none of {', '.join(PRECISIONS)}"
    try:
        promise(row.network, row.input_size)
    except UsageError as error:
        return str(error)
    return ""


def _too_much(row: Row, budget: DeviceBudget) -> str:
    if row.summary.p99.value > budget.ms:
        return f"p99 {milliseconds(row.summary.p99.value)} ms is over {budget.ms:g} ms"
    power = power_mw(row)
    return "its power was not measured" if power is None else f"{power:.0f} mW are over {budget.mw:g} mW"
