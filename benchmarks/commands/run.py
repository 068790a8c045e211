"""`edgeunet bench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import Backend, Data, Force, Json, Threads


def run(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Latency record to write (JSON).")],
    data: Data = None,
    seconds: Annotated[float, typer.Option(help="Time to measure, after the warm-up.")] = 5.0,
    max_frames: Annotated[int | None, typer.Option(help="Stop after this many frames.")] = None,
    backend: Backend = None,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure the latency of a model, one frame after another, and write the record."""
    from benchmarks.measure.inputs import load_inputs
    from benchmarks.measure.single import MeasureOptions, measure
    from benchmarks.report.tables import print_table, stage_table, summary_table
    from edgeunet.console import INTERRUPTED, stdout
    from edgeunet.files import require_free
    from edgeunet.record import TOTAL
    from edgeunet.runtime import open_session

    options = MeasureOptions(seconds, max_frames)
    require_free(output, force=force)
    inputs = load_inputs(data)
    with open_session(model, threads=threads, backend=backend) as session:
        record = measure(session, model, inputs, options)
    record.save(output, force=force)
    if as_json:
        value = record.to_dict()
        stdout().print_json(data={key: value[key] for key in value if key not in ("samples_ms", "starts_ms")})
    else:
        print_table(summary_table([record], {}))
        print_table(stage_table(record, bounds=[TOTAL]))
        stdout().print(f"{record.summary().n} samples on {record.frames} written to {output}")
    if record.partial:
        raise typer.Exit(INTERRUPTED)
