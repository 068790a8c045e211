"""A judgement in words for people and as JSON for scripts."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.compare import Judgement, Verdict, percent
from benchmarks.tables import TextTable, milliseconds, rich_table

if TYPE_CHECKING:
    from rich.console import Console

_COLORS = {Verdict.PASS: "green", Verdict.REGRESSED: "red"}


def to_json(judgement: Judgement) -> dict[str, Any]:
    """Plain values; null where there was too little to compute one."""
    value = asdict(judgement) | {"verdict": judgement.verdict.name}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in value.items()}


def print_judgement(console: Console, judgement: Judgement, a: Path, b: Path, *, stored: bool) -> None:
    """The verdict with its reason, and what it rests on where something was measured."""
    color = _COLORS.get(judgement.verdict, "yellow")
    console.print(f"[bold {color}]{judgement.verdict.name}[/] {judgement.reason}")
    if math.isnan(judgement.ratio):
        return
    rows = [
        (f"A: {a.name}", f"{milliseconds(judgement.a_ms)} ms"),
        (f"B: {b.name}", f"{milliseconds(judgement.b_ms)} ms"),
        ("B slower than A by", percent(judgement.ratio)),
        ("99 % bounds", f"{percent(judgement.low)} to {percent(judgement.high)}"),
        ("smallest slowdown it would have seen", percent(judgement.detectable)),
    ]
    if stored:
        note = "two records made at different times prove less than two models run side by side"
    else:
        note = f"{judgement.rounds} rounds in {judgement.pairs} pairs of fresh processes"
        rows += [("tail: chance of this difference", f"{judgement.tail_p:.2g}"), ("drift", f"{judgement.drift:.1%}")]
    console.print(rich_table(TextTable(("", "median"), tuple(rows), note=note)))
