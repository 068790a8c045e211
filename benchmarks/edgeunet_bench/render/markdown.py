"""The report as Markdown, for a pull request or a wiki: every table, no plot."""

from __future__ import annotations

from collections.abc import Sequence

from edgeunet.version import __version__
from edgeunet_bench.render.blocks import Section, Table
from edgeunet_bench.render.names import readable
from edgeunet_bench.render.tables import TextTable


def markdown_table(table: TextTable) -> list[str]:
    """The lines of a table, with its note below."""
    rule = ("---" if i < table.text_columns else "---:" for i in range(len(table.header)))
    header, *rows = (tuple(map(plain, row)) for row in (table.header, *table.rows))
    lines = [f"| {' | '.join(row)} |" for row in (header, tuple(rule), *rows)]
    return [*lines, "", plain(table.note)] if table.note else lines


def plain(text: str) -> str:
    """On one line, without anything that Markdown or HTML would take for its own."""
    text = " ".join(readable(text).split("\n"))
    for sign in "\\|<*_`[":
        text = text.replace(sign, f"\\{sign}")
    return text


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
