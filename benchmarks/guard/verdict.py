"""A comparison in words and figures: for the terminal, for CI as JUnit XML, and for a person as Markdown."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.guard.comparison import Comparison
from benchmarks.guard.judge import Judgement, Verdict, percent, share
from benchmarks.report.markdown_table import markdown_table, plain
from benchmarks.report.tables import TextTable, milliseconds, print_table
from edgeunet import console
from edgeunet.files import replacing

_COLORS = {Verdict.PASS: "green", Verdict.REGRESSED: "red"}
STORED_NOTE = "two records made at different times prove less than two models run side by side"


def print_judgement(judgement: Judgement, a: str, b: str, *, stored: bool) -> None:
    """The verdict with its reason, and what it rests on where something was measured."""
    color = _COLORS.get(judgement.verdict, "yellow")
    console.stdout().print(f"[bold {color}]{judgement.verdict.name}[/] {judgement.reason}")
    if not math.isnan(judgement.ratio):
        print_table(figures(judgement, a, b, stored=stored))


def figures(judgement: Judgement, a: str, b: str, *, stored: bool) -> TextTable:
    """What a judgement rests on. stored: it is of two records and not of a comparison."""
    rows = [
        (f"A: {a}", f"{milliseconds(judgement.a_ms)} ms"),
        (f"B: {b}", f"{milliseconds(judgement.b_ms)} ms"),
        ("B against A", _signed(judgement.ratio)),
        ("99 % bounds", f"{_signed(judgement.low)} to {_signed(judgement.high)}"),
        ("smallest slowdown it would have seen", percent(judgement.detectable)),
    ]
    if stored:
        return TextTable(("", ""), tuple(rows), note=STORED_NOTE)
    control = f"{_signed(judgement.control_low)} to {_signed(judgement.control_high)}"
    foreign = "unknown" if math.isnan(judgement.foreign) else share(judgement.foreign)
    rows += [
        ("slow calls of A and B", f"{share(judgement.tail_a)} and {share(judgement.tail_b)}"),
        ("chance of such a difference without a cause", f"{judgement.tail_p:.2g}"),
        ("smallest share of slow calls it would have seen", share(judgement.tail_detectable)),
        ("fixed workload, beside B against beside A", control),
        ("fixed workload, drift over the run", share(judgement.drift)),
        ("processors' time taken by others, in the busiest third", foreign),
    ]
    note = f"{judgement.calls} calls of each in {judgement.rounds} rounds in {judgement.pairs} pairs of fresh processes"
    return TextTable(("", ""), tuple(rows), note=note)


def write_junit(path: Path, comparison: Comparison) -> None:
    """One test case: REGRESSED fails, INVALID and REFUSED are errors, INCONCLUSIVE is skipped. Replaces the file."""
    judgement = comparison.judgement
    kind = {Verdict.REGRESSED: "failure", Verdict.INCONCLUSIVE: "skipped", Verdict.PASS: ""}
    suite = ElementTree.Element("testsuite", name="latency", tests="1", timestamp=comparison.created)
    for found in ("failure", "error", "skipped"):
        plural = found if found == "skipped" else f"{found}s"
        suite.set(plural, str(int(kind.get(judgement.verdict, "error") == found)))
    name = f"{comparison.b.name} against {comparison.a.name}"
    case = ElementTree.SubElement(suite, "testcase", classname="edgeunet.bench.compare", name=name)
    if found := kind.get(judgement.verdict, "error"):
        ElementTree.SubElement(case, found, type=judgement.verdict.name, message=judgement.reason)
    out = ElementTree.SubElement(case, "system-out")
    out.text = markdown(comparison)
    with replacing(path, force=True) as temporary:
        ElementTree.ElementTree(suite).write(temporary, encoding="utf-8", xml_declaration=True)


def write_markdown(path: Path, comparison: Comparison) -> None:
    """Replaces the file, as a build does that runs again."""
    with replacing(path, force=True) as temporary:
        temporary.write_text(markdown(comparison), encoding="utf-8")


def markdown(comparison: Comparison) -> str:
    """The verdict, its reason, and what it rests on."""
    judgement = comparison.judgement
    lines = [f"### Latency: {judgement.verdict.name}", "", plain(judgement.reason), ""]
    if not math.isnan(judgement.ratio):
        lines += [*markdown_table(figures(judgement, comparison.a.name, comparison.b.name, stored=False)), ""]
    return "\n".join(lines)


def _signed(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f} %"
