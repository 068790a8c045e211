"""A table as Markdown."""

from __future__ import annotations

from edgeunet_bench.render.characters import readable
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
