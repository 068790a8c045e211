"""`edgeunet bench accept`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.bench.bench_options import Baselines


def accept(
    name: Annotated[str, typer.Option("--as", help="Name of the baseline, such as accepted or release.")],
    model: Annotated[
        Path | None, typer.Argument(help="Model to keep; if not given, the baseline is the checkout's commit.")
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(help="What `edgeunet bench compare -o` wrote for it, with PASS.")
    ] = None,
    baselines: Baselines = None,
) -> None:
    """Make a model the baseline of that name, for `edgeunet bench compare NAME MODEL`.

    The model is run once, and copied into the folder of the baselines: `baselines` in the current folder, or
    `benchmarks/baselines` where that exists.

    Example: edgeunet bench accept int8.onnx --as accepted
    """
    from edgeunet.utils.console import stdout
    from edgeunet.utils.files import require_distinct
    from edgeunet_bench.guard.baseline import accept as accept_baseline
    from edgeunet_bench.guard.baseline import default_folder, require_runs, verdict_of
    from edgeunet_bench.measure.surroundings import commit_of, now

    folder = baselines or default_folder()
    require_distinct({"--as": folder / f"{name}.json"}, {"MODEL": model, "--comparison": comparison})
    verdict = verdict_of(comparison, model) if comparison else ""
    if model and model.is_file() and not comparison:  # what was compared has run
        require_runs(model)
    baseline = accept_baseline(folder, name, model, commit=commit_of(Path()), accepted=now(), verdict=verdict)
    what = str(folder / name / baseline.model) if model else f"commit {baseline.commit[:12]}"
    stdout().print(f"{what} is now the baseline {name}, described in {folder / name}.json")
