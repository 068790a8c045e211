"""The report: one HTML file with tables and plots, that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from edgeunet import __version__
from edgeunet.utils.html_page import environment
from edgeunet_bench.guard.judging.judge import Verdict
from edgeunet_bench.render.blocks import Plot, Section, Table
from edgeunet_bench.render.characters import readable

TEMPLATES = Path(__file__).parent / "templates"


def html(sections: Sequence[Section], measured: str) -> str:
    """The page. measured: when the newest of what it shows was made."""
    pages = environment(TEMPLATES)
    pages.filters["parts"] = _parts
    pages.filters["runs"] = _runs
    template = pages.get_template("report.html.j2")
    facts = {"version": __version__, "measured": measured, "verdicts": [v.name for v in Verdict]}
    return readable(template.render(sections=sections, **facts))


def _runs(blocks: Sequence[Table | Plot]) -> list[tuple[bool, list[Table | Plot]]]:
    """Plots that follow each other stand beside each other: (whether they are plots, the blocks)."""
    return [(plots, list(run)) for plots, run in groupby(blocks, lambda block: isinstance(block, Plot))]


def _parts(cell: str) -> tuple[str, str]:
    """What stands in a cell, and its bounds in brackets if it has some: they are shown smaller."""
    value, bracket, bounds = cell.partition(" (")
    return value, bracket + bounds
