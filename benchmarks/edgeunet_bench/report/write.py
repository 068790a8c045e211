"""Writing a report in the format that its file's name, or the caller, asks for."""

from __future__ import annotations

import enum
from pathlib import Path

from edgeunet.errors import UsageError
from edgeunet.utils.files import write_text
from edgeunet_bench.render.markdown import markdown
from edgeunet_bench.render.tables import when
from edgeunet_bench.report.contents import contents
from edgeunet_bench.report.inputs import ReportInputs
from edgeunet_bench.report.page import html
from edgeunet_bench.report.values import as_json


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
