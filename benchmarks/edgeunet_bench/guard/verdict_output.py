"""A comparison in words and figures: for the terminal, for CI as JUnit XML, and for a person as Markdown."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from edgeunet.utils import console
from edgeunet.utils.files import replacing, write_text
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict, share
from edgeunet_bench.render.markdown import markdown_table, plain
from edgeunet_bench.render.names import readable
from edgeunet_bench.render.tables import TextTable, change, milliseconds, print_table

_COLORS = {Verdict.PASS: "green", Verdict.REGRESSED: "red"}
_ANSWERED = (Verdict.PASS, Verdict.REGRESSED)
STORED_NOTE = "two records made at different times prove less than two models that run in turns"
PAIRED_NOTE = (
    "B against A is the median of the ratios of all rounds; the medians of A and of B are over the whole run, so that "
    "their ratio may differ"
)


def print_judgement(judgement: Judgement, a: str, b: str, *, stored: bool) -> None:
    """The verdict with its reason, how B compares with A, and the figures behind it."""
    from rich.text import Text

    style = f"bold {_COLORS.get(judgement.verdict, 'yellow')}"
    console.stdout().print(Text.assemble((judgement.verdict.name, style), f" {judgement.reason}"))
    if judgement.verdict in _ANSWERED and not math.isnan(judgement.ratio):
        console.stdout().print(Text(answer(judgement)))
    if not math.isnan(judgement.ratio):
        print_table(figures(judgement, a, b, stored=stored))


def answer(judgement: Judgement) -> str:
    """How much faster or slower B is, in a sentence."""
    low, high = change(judgement.low), change(judgement.high)
    if judgement.high < 1:
        size = f"{change(judgement.ratio)} ({low} to {high}), {1 / judgement.ratio:.2f} times as fast"
        return f"B is faster than A: the median call's time changes by {size}"
    if judgement.low > 1:
        return f"B is slower than A: the median call's time changes by {change(judgement.ratio)} ({low} to {high})"
    return f"no difference is certain: the median call's time changes by {change(judgement.ratio)} ({low} to {high})"


def figures(judgement: Judgement, a: str, b: str, *, stored: bool) -> TextTable:
    """The figures behind a judgement. stored: it is of two records and not of a comparison."""
    rows = [
        (f"A: {a}, median", f"{milliseconds(judgement.a_ms)} ms"),
        (f"B: {b}, median", f"{milliseconds(judgement.b_ms)} ms"),
        ("B against A", change(judgement.ratio)),
        ("99 % bounds", f"{change(judgement.low)} to {change(judgement.high)}"),
        ("smallest slowdown it could detect", change(judgement.detectable)),
    ]
    if stored:
        return TextTable(("", ""), tuple(rows), note=STORED_NOTE)
    control = f"{change(judgement.control_low)} to {change(judgement.control_high)}"
    foreign = "unknown" if math.isnan(judgement.foreign) else share(judgement.foreign)
    rows += [
        ("slow calls of A and B", f"{share(judgement.tail_a)} and {share(judgement.tail_b)}"),
        ("p-value of that difference", f"{judgement.tail_p:.2g}"),
        ("smallest share of slow calls it could detect", share(judgement.tail_detectable)),
        ("fixed workload, B's turns against A's", control),
        ("fixed workload, drift over the run", share(judgement.drift)),
        ("CPU time of other programs, busiest third", foreign),
    ]
    calls = (
        f"{judgement.calls} calls of each in {judgement.rounds} rounds in {judgement.pairs} pairs of fresh processes"
    )
    return TextTable(("", ""), tuple(rows), note=f"{calls}; {PAIRED_NOTE}")


def write_junit(path: Path, comparison: Comparison) -> None:
    """One test case: REGRESSED fails, INVALID and REFUSED are errors, INCONCLUSIVE is skipped. Replaces the file."""
    judgement = comparison.judgement
    kind = {Verdict.REGRESSED: "failure", Verdict.INCONCLUSIVE: "skipped", Verdict.PASS: ""}
    suite = ElementTree.Element("testsuite", name="latency", tests="1", timestamp=comparison.created)
    for found in ("failure", "error", "skipped"):
        plural = found if found == "skipped" else f"{found}s"
        suite.set(plural, str(int(kind.get(judgement.verdict, "error") == found)))
    name = readable(f"{comparison.b.name} against {comparison.a.name}")
    case = ElementTree.SubElement(suite, "testcase", classname="edgeunet.bench.compare", name=name)
    if found := kind.get(judgement.verdict, "error"):
        ElementTree.SubElement(case, found, type=judgement.verdict.name, message=readable(judgement.reason))
    out = ElementTree.SubElement(case, "system-out")
    out.text = readable(markdown(comparison))
    with replacing(path, force=True) as temporary:
        ElementTree.ElementTree(suite).write(temporary, encoding="utf-8", xml_declaration=True)


def write_markdown(path: Path, comparison: Comparison) -> None:
    """Replaces the file, as a repeated build does."""
    write_text(path, markdown(comparison), force=True)


def markdown(comparison: Comparison) -> str:
    """The verdict, its reason, and the figures behind it."""
    judgement = comparison.judgement
    lines = [f"### Latency: {judgement.verdict.name}", "", plain(judgement.reason), ""]
    if judgement.verdict in _ANSWERED and not math.isnan(judgement.ratio):
        lines += [answer(judgement), ""]
    if not math.isnan(judgement.ratio):
        table = figures(judgement, comparison.a.title, comparison.b.title, stored=False)
        lines += [*markdown_table(table), ""]
    return "\n".join(lines)
