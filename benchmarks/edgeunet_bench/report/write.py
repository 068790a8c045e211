"""Writing a report: one HTML file that opens without a network, Markdown, or JSON for scripts."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from edgeunet.errors import UsageError
from edgeunet.utils.files import write_text
from edgeunet.utils.html_page import environment
from edgeunet.version import __version__
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.render.blocks import Plot, Section, Table
from edgeunet_bench.render.markdown import markdown
from edgeunet_bench.render.names import readable
from edgeunet_bench.render.tables import when
from edgeunet_bench.report.contents import contents
from edgeunet_bench.report.report_inputs import ReportInputs
from edgeunet_bench.report.values import as_json

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
    """Plots that follow each other are shown side by side: (whether they are plots, the blocks)."""
    return [(plots, list(run)) for plots, run in groupby(blocks, lambda block: isinstance(block, Plot))]


def _parts(cell: str) -> tuple[str, str]:
    """The value in a cell, and its bounds in brackets, if any, which are shown smaller."""
    value, bracket, bounds = cell.partition(" (")
    return value, bracket + bounds


class Format(str, enum.Enum):
    """What a report can be; the name is the file's suffix."""

    HTML = "html"
    MD = "md"
    JSON = "json"


def format_of(path: Path, name: str | None) -> Format:
    """The format called `name`, or the one that the file's suffix names; raises UsageError if there is none."""
    wanted = path.suffix.removeprefix(".").lower() if name is None else name
    try:
        return Format(wanted)
    except ValueError:
        names = ", ".join(f.value for f in Format)
        got = f"{path} does not end in the name of a format" if name is None else f'there is no format "{name}"'
        raise UsageError(f"{got}: give --format with one of {names}") from None


def write_report(path: Path, inputs: ReportInputs, how: Format, *, force: bool) -> None:
    """Write the report; raises OutputError if `path` exists and `force` is false."""
    write_text(path, _text(inputs, how), force=force)


def _text(inputs: ReportInputs, how: Format) -> str:
    if how is Format.HTML:
        return html(contents(inputs), when(inputs.measured))
    if how is Format.MD:
        return markdown(contents(inputs), when(inputs.measured))
    return as_json(inputs)
