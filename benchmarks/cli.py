"""`edgeunet bench`: measure a model, compare two, report."""

from __future__ import annotations

import typer

from benchmarks.commands.accept import accept
from benchmarks.commands.compare import compare
from benchmarks.commands.judge import judge
from benchmarks.commands.modes import modes
from benchmarks.commands.qualify import qualify
from benchmarks.commands.report import report
from benchmarks.commands.run import run
from benchmarks.commands.sweep import sweep

app = typer.Typer(
    help="Measure latency, guard it, and report it.", no_args_is_help=True, pretty_exceptions_enable=False
)
for command in (run, compare, judge, accept, qualify, report, sweep, modes):
    app.command()(command)
