"""`python -m benchmarks.studies.guard_trials -o FILE`: how often the guard is right, when the right verdict is
known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.studies import study
from edgeunet.cli.common_options import Force, Json


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, or to continue (JSON).")],
    model: Annotated[
        Path | None, typer.Option(help="Model file to run; without one, a NumPy loop on one processor.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Condition to measure, such as A/A or tail; may be repeated.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Of each condition, at most; the default is what the figures need.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure the guard itself: how often it gives the right verdict when that is known. Takes hours.

    After an interruption the same command continues, on another machine too if the trials' file, which is next to the
    output, is copied there; the results are told by machine.
    Exit code: 0 if every condition that was measured reached what was declared, else 1; 130 after Ctrl-C.
    """
    from dataclasses import asdict

    from benchmarks.studies.guard_trials import qualify
    from benchmarks.studies.guard_trials.tally import qualification_of
    from edgeunet.utils.console import INTERRUPTED, stdout
    from edgeunet.utils.files import require_distinct
    from edgeunet_bench.measure.surroundings import now
    from edgeunet_bench.render.tables import print_table
    from edgeunet_bench.report.sections.qualification_table import machines_table, qualification_table, rules_table

    paths = qualify.Paths(output)
    require_distinct({"--output": output, "the trials in": paths.trials, "the folder": paths.kept}, {"--model": model})
    options = qualify.QualifyOptions(model, tuple(only or ()), trials)
    file, interrupted = qualify.qualify(options, paths, force=force)
    found = qualification_of(file, now())
    if as_json:
        stdout().print_json(data=asdict(found))
    else:
        print_table(qualification_table(found))
        if len(found.machines) > 1:
            print_table(machines_table(found))
        print_table(rules_table(found))
        if trials is not None:
            stdout().print(
                f"--trials {trials}: with fewer trials than the figures need, a condition that is reached proves less"
            )
        stdout().print(f"{len(file.trials)} trials in {paths.trials}, their summary in {output}")
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    measured = [c for c in found.conditions if not only or c.name in only]
    raise typer.Exit(0 if all(c.reached for c in measured) else 1)


if __name__ == "__main__":
    study.run(main)
