"""`edgeunet bench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.bench.bench_options import Backend, Baselines, Data
from edgeunet.cli.common_options import Force, Json, Threads


def compare(
    base: Annotated[
        Path | None, typer.Argument(help="Model, name of a baseline, or latency record to compare with.")
    ] = None,
    candidate: Annotated[
        Path | None, typer.Argument(help="Model or latency record that is judged against BASE.")
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of models: a command that prints its latencies, one number of ms per line. Give two."
        ),
    ] = None,
    turns: Annotated[
        bool,
        typer.Option(
            "--turns", help="The commands keep running: each reads a number of calls and prints their times in ms."
        ),
    ] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Time the commands from start to exit.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write with every sample (JSON).")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write for CI (JUnit XML).")] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write for a summary (Markdown).")
    ] = None,
    data: Data = None,
    seconds: Annotated[
        float,
        typer.Option(help="Time limit for two models or commands; 600 shows small tails of calls of 10 to 40 ms."),
    ] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed for the order of turns and for the bootstrap.")] = 0,
    varies: Annotated[
        list[str] | None,
        typer.Option(help="Setting that may differ between two latency records, such as governor; may be repeated."),
    ] = None,
    backend: Backend = None,
    threads: Threads = None,
    baselines: Baselines = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Judge whether CANDIDATE is slower than BASE: two models or commands, run in turns in fresh processes.

    Each model runs on its own fastest backend; --backend runs both on one. Two latency records can be compared too,
    which proves less. On a shared machine a comparison on one processor is the most certain:
    `taskset -c 1 edgeunet bench compare ... --threads 1`.

    Exit code: 0 PASS, 3 REGRESSED, 4 INCONCLUSIVE, 5 INVALID, 6 REFUSED.
    """
    from edgeunet.errors import UsageError
    from edgeunet.utils.files import require_distinct
    from edgeunet_bench.guard.baseline import default_folder, resolve
    from edgeunet_bench.guard.commands import ComparisonOutputs, compare_arms, compare_records
    from edgeunet_bench.guard.running.arms import command_arm, model_arm
    from edgeunet_bench.guard.running.interleave import CompareOptions
    from edgeunet_bench.guard.running.model_arm import ModelOptions

    folder = baselines or default_folder()
    given = {"BASE": base and resolve(folder, base), "CANDIDATE": candidate and resolve(folder, candidate)}
    written = {"--output": output, "--junit": junit, "--markdown": markdown}
    require_distinct(written, {**given, "--data": data})
    outputs = ComparisonOutputs(output, junit, markdown, force=force, as_json=as_json)
    options = CompareOptions(seconds, seed)
    stored = [path is not None and path.suffix.lower() == ".json" for path in (base, candidate)]
    if varies and not all(stored):
        raise UsageError("--varies is for two latency records: where two models or commands differ is what is compared")
    if command:
        if len(command) != 2 or base:
            raise UsageError("give two commands, or two models: `--command A --command B`")
        arms = [command_arm(text, turns=turns, whole=whole) for text in command]
        raise typer.Exit(compare_arms(arms[0], arms[1], options, outputs))
    if base is None or candidate is None:
        raise UsageError("give what to compare: two models, two records, or `--command A --command B`")
    if all(stored):
        raise typer.Exit(compare_records(base, candidate, outputs, seed=seed, varies=varies or ()))
    if any(stored):
        raise UsageError(f"give two models or two latency records, got one of each: {base} and {candidate}")
    models = [ModelOptions(str(path), str(data) if data else None, threads, backend) for path in given.values()]
    raise typer.Exit(compare_arms(model_arm(models[0]), model_arm(models[1]), options, outputs))
