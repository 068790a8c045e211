"""`edgeunet bench`: measure a model, compare two, report."""

from __future__ import annotations

import typer

from benchmarks.commands.compare import compare
from benchmarks.commands.report import report
from benchmarks.commands.run import run

app = typer.Typer(
    help="Measure latency, guard it, and report it.", no_args_is_help=True, pretty_exceptions_enable=False
)
for command in (run, compare, report):
    app.command()(command)
