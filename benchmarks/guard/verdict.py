"""A judgement in words for people and as JSON for scripts."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.guard.judge import Judgement, Verdict, percent
from benchmarks.report.tables import TextTable, milliseconds, print_table
from edgeunet import console

_COLORS = {Verdict.PASS: "green", Verdict.REGRESSED: "red"}


def to_json(judgement: Judgement) -> dict[str, Any]:
    """Plain values; null where there was too little to compute one."""
    value = asdict(judgement) | {"verdict": judgement.verdict.name}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in value.items()}


def print_judgement(judgement: Judgement, a: Path, b: Path, *, stored: bool) -> None:
    """The verdict with its reason, and what it rests on where something was measured."""
    color = _COLORS.get(judgement.verdict, "yellow")
    console.stdout().print(f"[bold {color}]{judgement.verdict.name}[/] {judgement.reason}")
    if math.isnan(judgement.ratio):
        return
    rows = [
        (f"A: {a.name}", f"{milliseconds(judgement.a_ms)} ms"),
        (f"B: {b.name}", f"{milliseconds(judgement.b_ms)} ms"),
        ("B against A", _signed(judgement.ratio)),
        ("99 % bounds", f"{_signed(judgement.low)} to {_signed(judgement.high)}"),
        ("smallest slowdown it would have seen", percent(judgement.detectable)),
    ]
    if stored:
        note = "two records made at different times prove less than two models run side by side"
    else:
        note = f"{judgement.rounds} rounds in {judgement.pairs} pairs of fresh processes"
        rows += [
            ("chance of such a difference in the tail", f"{judgement.tail_p:.2g}"),
            ("drift of the machine", percent(1 + judgement.drift)),
        ]
    print_table(TextTable(("", ""), tuple(rows), note=note))


def _signed(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f} %"
