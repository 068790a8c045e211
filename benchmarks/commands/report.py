"""`edgeunet bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import Force


def report(
    records: Annotated[list[Path], typer.Argument(help="Latency records (JSON).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    scores: Annotated[
        list[Path] | None, typer.Option("--scores", help="What `edgeunet evaluate --json` wrote; may be repeated.")
    ] = None,
    force: Force = False,
) -> None:
    """Write one HTML file with tables and plots of latency records, and print their summary."""
    from benchmarks.report.page import by_model, write_report
    from benchmarks.report.scores import load_scores
    from benchmarks.report.tables import print_table, summary_table
    from edgeunet.console import stdout
    from edgeunet.record import LatencyRecord

    loaded = [LatencyRecord.load(path) for path in records]
    known = by_model(load_scores(path) for path in scores or [])
    write_report(output, loaded, known, force=force)
    print_table(summary_table(loaded, known))
    stdout().print(f"report written to {output}")
