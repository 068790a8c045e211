"""What a report is built of: sections with tables and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeunet_bench.render.tables import TextTable

WIDTH = 4  # columns side by side, with room for a hash


@dataclass(frozen=True)
class Table:
    """A table, with what it is about where a section has several."""

    table: TextTable
    title: str = ""


@dataclass(frozen=True)
class Plot:
    """An inline SVG, drawn only where it is shown."""

    title: str
    draw: Callable[[], str]


@dataclass(frozen=True)
class Section:
    """note: how to read what follows."""

    title: str
    blocks: tuple[Table | Plot, ...]
    note: str = ""


def unless_empty(table: TextTable) -> tuple[Table, ...]:
    """The table, if it has a row."""
    return (Table(table),) if table.rows else ()


def in_parts(table: TextTable, kept: int, title: str = "") -> Iterator[Table]:
    """Tables that fit on a page: each has the first `kept` columns and at most WIDTH others."""
    for i in range(kept, len(table.header) if table.rows else 0, WIDTH):
        which = [*range(kept), *range(i, min(i + WIDTH, len(table.header)))]
        header, *rows = (tuple(row[j] for j in which) for row in (table.header, *table.rows))
        yield Table(TextTable(header, tuple(rows), sum(j < table.text_columns for j in which)), title)
