"""`edgeunet bench`: measure a model, compare two, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure latency, guard it, and report it.", no_args_is_help=True, pretty_exceptions_enable=False
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Dataset folder or video to take frames from [default: samples].")
]
Backend = Annotated[
    str | None, typer.Option(help="For .onnx files: onnxruntime or openvino; the faster one if not given.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads [default: physical cores].")]


@app.command()
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
    from benchmarks.inputs import load_inputs
    from benchmarks.measure import MeasureOptions, measure
    from benchmarks.tables import print_table, stage_table, summary_table
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


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Model or latency record to compare with.")],
    b: Annotated[Path, typer.Argument(help="Model or latency record that may be slower.")],
    data: Data = None,
    seconds: Annotated[float, typer.Option(help="Time for two models, at most.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the order of rounds and of the bootstrap.")] = 0,
    backend: Backend = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Judge whether B is slower than A: two models, run interleaved, or two records, which proves less.

    Exit code: 0 PASS, 3 REGRESSED, 4 INCONCLUSIVE, 5 INVALID, 6 REFUSED.
    """
    from benchmarks.compare import judge_records
    from benchmarks.interleave import CompareOptions, interleave
    from benchmarks.verdict import print_judgement, to_json
    from edgeunet.console import stdout
    from edgeunet.errors import UsageError
    from edgeunet.record import LatencyRecord

    options = CompareOptions(seconds, seed, data, threads, backend)
    stored = [path.suffix.lower() == ".json" for path in (a, b)]
    if any(stored) and not all(stored):
        raise UsageError(f"give two models or two latency records, got one of each: {a} and {b}")
    if all(stored):
        judgement = judge_records(LatencyRecord.load(a), LatencyRecord.load(b), seed=seed)
    else:
        judgement = interleave(a, b, options).judgement
    if as_json:
        stdout().print_json(data=to_json(judgement))
    else:
        print_judgement(judgement, a, b, stored=all(stored))
    raise typer.Exit(judgement.verdict.value)


@app.command()
def report(
    records: Annotated[list[Path], typer.Argument(help="Latency records (JSON).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    scores: Annotated[
        list[Path] | None, typer.Option("--scores", help="What `edgeunet evaluate --json` wrote; may be repeated.")
    ] = None,
    force: Force = False,
) -> None:
    """Write one HTML file with tables and plots of latency records, and print their summary."""
    from benchmarks.report import by_model, write_report
    from benchmarks.scores import load_scores
    from benchmarks.tables import print_table, summary_table
    from edgeunet.console import stdout
    from edgeunet.record import LatencyRecord

    loaded = [LatencyRecord.load(path) for path in records]
    known = by_model(load_scores(path) for path in scores or [])
    write_report(output, loaded, known, force=force)
    print_table(summary_table(loaded, known))
    stdout().print(f"report written to {output}")
