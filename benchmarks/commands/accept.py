"""`edgeunet bench accept`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import Baselines


def accept(
    name: Annotated[str, typer.Option("--as", help="Name of the baseline, such as accepted or release.")],
    model: Annotated[
        Path | None, typer.Argument(help="Model to keep; without one the baseline is the checkout's commit.")
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(help="What `edgeunet bench compare -o` wrote of it; it must have passed.")
    ] = None,
    baselines: Baselines = Path("benchmarks/baselines"),
) -> None:
    """Make a model the baseline of that name: `edgeunet bench compare NAME MODEL` runs against it from then on.

    Example: edgeunet bench accept int8.onnx --as accepted
    """
    from benchmarks.guard.baseline import accept as accept_baseline
    from benchmarks.guard.baseline import verdict_of
    from benchmarks.measure.surroundings import commit_of, now
    from edgeunet.console import stdout

    verdict = verdict_of(comparison, model) if comparison else ""
    baseline = accept_baseline(baselines, name, model, commit=commit_of(Path()), accepted=now(), verdict=verdict)
    what = baseline.model or f"commit {baseline.commit[:12]}"
    stdout().print(f"{what} is the baseline {baseline.name} in {baselines}")
