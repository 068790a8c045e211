"""`edgeunet bench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import Backend, Data, Json, Threads


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
    from benchmarks.guard.interleave import CompareOptions, interleave
    from benchmarks.guard.judge import judge_records
    from benchmarks.guard.verdict import print_judgement, to_json
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
