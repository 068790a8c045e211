"""`edgeunet bench run`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeunet.cli.bench.bench_options import Backend, Data
from edgeunet.cli.common_options import Force, Json, Threads
from edgeunet.utils.limits import SECONDS, require_in

if TYPE_CHECKING:
    from edgeunet.latency.record import LatencyRecord
    from edgeunet_bench.measure.measure_options import MeasureOptions


class MeasureMode(str, enum.Enum):
    """How frames arrive."""

    SINGLE = "single"
    PACED = "paced"
    SOAK = "soak"
    COLD = "cold"


def run(
    model: Annotated[Path | None, typer.Argument(help="Model file.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Latency record to write, with every sample (JSON)."),
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", help="Measure a command that prints one number of ms per line.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Time the command from its start to its exit.")] = False,
    mode: Annotated[
        MeasureMode,
        typer.Option(
            help="single: one frame after another; paced: on a schedule, --fps; soak: single, or paced with --fps, for "
            "30 min; cold: fresh processes."
        ),
    ] = MeasureMode.SINGLE,
    fps: Annotated[
        float | None, typer.Option("--fps", help="Frames per second of the schedule; paced needs it.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Time to measure, after the warm-up; 5, paced 10, soak 1800 if not given.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time to measure, in minutes.")] = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after this many frames.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Number of processes in the mode cold; 11 if not given.")
    ] = None,
    deadline_ms: Annotated[
        float | None,
        typer.Option("--deadline-ms", help="A longer latency is a miss; the schedule's period if not given."),
    ] = None,
    data: Data = None,
    backend: Backend = None,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure the latency of a model or of a command, and print it; -o keeps every sample, for `bench report`."""
    from edgeunet.errors import UsageError
    from edgeunet.utils.files import require_distinct, require_writable
    from edgeunet_bench.measure.measure_options import MeasureOptions

    if seconds is not None and minutes is not None:
        raise UsageError("--seconds and --minutes both set the time: give one of them")
    require_in("--minutes", minutes, 1e-5, SECONDS / 60)
    length_s = seconds if minutes is None else minutes * 60
    options = MeasureOptions(mode.value, length_s, max_frames, fps, deadline_ms, processes)
    if (model is None) == (command is None):
        raise UsageError(f"give a model file or --command, got {'both' if model else 'neither'}")
    require_distinct({"--output": output}, {"MODEL": model, "--data": data})
    if output:
        require_writable(output, force=force)
    if command is not None:
        from edgeunet_bench.measure.command_runs import measure_command

        if data or backend or threads:
            raise UsageError("--data, --backend and --threads are for models: leave them out")
        record = measure_command(command, whole=whole, options=options)
    elif model is not None:
        if whole:
            raise UsageError("--whole is for a command: --mode cold times a model's whole start")
        record = _measured(model, data, options, threads=threads, backend=backend)
    if output:
        record.save(output, force=force)
    _show(record, output, as_json=as_json)


def _measured(
    model: Path, data: Path | None, options: MeasureOptions, *, threads: int | None, backend: str | None
) -> LatencyRecord:
    from edgeunet.runtime.opening import open_session, spec_of
    from edgeunet_bench.measure.cold import measure_cold
    from edgeunet_bench.measure.input_frames import load_inputs
    from edgeunet_bench.measure.measure_model import measure
    from edgeunet_bench.measure.measure_options import COLD

    if options.mode == COLD:
        return measure_cold(model, load_inputs(data, spec_of(model)), options, threads=threads, backend=backend)
    with open_session(model, threads=threads, backend=backend) as session:
        return measure(session, load_inputs(data, session.spec), options)


def _show(record: LatencyRecord, output: Path | None, *, as_json: bool) -> None:
    """Print the record; after an interruption the command ends as Ctrl-C does."""
    from edgeunet.latency.analysis import analyse
    from edgeunet.latency.record import TOTAL
    from edgeunet.utils.console import INTERRUPTED, stderr, stdout
    from edgeunet_bench.render.tables import print_table, stage_table, summary_table
    from edgeunet_bench.report.caveats import record_caveats
    from edgeunet_bench.report.run_summary import lines, to_json

    found = analyse(record)
    if as_json:
        stdout().print_json(data=to_json(found))
    else:
        print_table(summary_table([record], {}))
        print_table(stage_table(record, bounds=[TOTAL]))
        for line in lines(found):
            stdout().print(line)
        kept = f"written to {output}" if output else "not kept: -o FILE keeps them"
        stdout().print(f"{record.summary().n} samples on {record.frames} {kept}")
    for caveat in record_caveats(record):
        stderr().print(f"warning: {caveat}")
    if record.partial:
        raise typer.Exit(INTERRUPTED)
