"""The report as Markdown, for a pull request or a wiki: every table, no plot."""

from __future__ import annotations

from collections.abc import Sequence

from edgeunet import __version__
from edgeunet_bench.render.blocks import Section, Table
from edgeunet_bench.render.markdown_table import markdown_table, plain


def markdown(sections: Sequence[Section], measured: str) -> str:
    """The tables of the report; plots are in the HTML file only."""
    parts = ["# Latency report", f"edgeunet {__version__}, last measured {measured}"]
    for section in sections:
        tables = [block for block in section.blocks if isinstance(block, Table)]
        if tables:
            parts += [f"## {section.title}", plain(section.note)]
        for table in tables:
            parts += [f"### {plain(table.title)}" if table.title else "", "\n".join(markdown_table(table.table))]
    return "\n\n".join(filter(None, parts)) + "\n"
