"""`edgeunet bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.common_options import Force


def report(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="What `edgeunet bench` run, compare and sweep wrote (JSON)."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")],
    scores: Annotated[
        list[Path] | None,
        typer.Option("--scores", help="What `edgeunet evaluate -o` or `--json` wrote; may be repeated."),
    ] = None,
    how: Annotated[
        str | None,
        typer.Option(
            "--format", help="html, md (tables only) or json (every figure); the file's ending decides if not given."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write a report of latency records, comparisons, the guard's qualification and sweeps, and print a summary.

    A record of several cameras has a row for each of them.
    """
    from edgeunet.utils.console import stdout
    from edgeunet.utils.files import require_distinct, require_writable
    from edgeunet_bench.render.tables import print_table, summary_table
    from edgeunet_bench.report.report_inputs import load_inputs
    from edgeunet_bench.report.write import format_of, write_report

    require_distinct({"--output": output}, {"FILE": files, "--scores": scores})
    chosen = format_of(output, how)
    require_writable(output, force=force)
    inputs = load_inputs(files, scores or [])
    write_report(output, inputs, chosen, force=force)
    if inputs.records:
        print_table(summary_table(inputs.records, inputs.scores))
    for name, comparison in inputs.named_comparisons.items():
        stdout().print(f"{name}: {comparison.judgement.verdict.name}: {comparison.judgement.reason}")
    stdout().print(f"report written to {output}")
