"""`edgeunet bench`: measure a model, compare two, report."""

from __future__ import annotations

import typer

from edgeunet.cli.bench.accept import accept
from edgeunet.cli.bench.compare import compare
from edgeunet.cli.bench.judge import judge
from edgeunet.cli.bench.modes import modes
from edgeunet.cli.bench.report import report
from edgeunet.cli.bench.run import run
from edgeunet.cli.bench.sweep import sweep

app = typer.Typer(
    help="Measure latency, compare two models, and report.", no_args_is_help=True, pretty_exceptions_enable=False
)
for command in (run, compare, judge, accept, report, sweep, modes):
    app.command()(command)
