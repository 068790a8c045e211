"""`edgeunet bench sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.bench.bench_options import Data
from edgeunet.cli.common_options import Force, Json


def sweep(
    models: Annotated[list[Path], typer.Argument(help="Model files, and checkpoints (.pt), which are exported first.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write, with every sample (JSON).")
    ] = None,
    data: Data = None,
    split: Annotated[str, typer.Option(help="Split of --data for the mIoU, if it has masks.")] = "val",
    backends: Annotated[
        str | None, typer.Option(help="For .onnx files: onnxruntime,openvino; those installed if not given.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(help="CPU threads, such as 1,2; the physical cores if not given.")
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Input sizes of checkpoints, such as 256x320,192x256; their own if not given.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time to measure each combination, in all passes together.")] = 6.0,
    budget_ms: Annotated[
        float | None, typer.Option(help="Time a frame may take; the result names the best model within it.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the plot of latency against mIoU to this file (.svg or .png)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the order.")] = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure many models on several backends and threads, and see which one to take.

    Example: edgeunet bench sweep fp32.onnx int8.onnx best.pt --data my_frames --budget-ms 20 -o sweep.json
    """
    from edgeunet.utils.console import INTERRUPTED, stdout
    from edgeunet.utils.files import require_distinct, require_writable
    from edgeunet.utils.limits import size_from_text, whole_numbers
    from edgeunet_bench.render.tables import print_table
    from edgeunet_bench.sweep.grid import SweepOptions
    from edgeunet_bench.sweep.pareto import advice
    from edgeunet_bench.sweep.passes import sweep as run_sweep
    from edgeunet_bench.sweep.plot import require_plot, write_plot
    from edgeunet_bench.sweep.table import skipped_lines, sweep_table

    options = SweepOptions(
        backends=tuple(backends.split(",")) if backends else None,
        threads=whole_numbers("--threads", threads),
        sizes=tuple(size_from_text(text) for text in sizes.split(",")) if sizes else (),
        data=data,
        split=split,
        seconds=seconds,
        budget_ms=budget_ms,
        seed=seed,
    )
    require_distinct({"--output": output, "--plot": plot}, {"MODEL": models, "--data": data})
    if output:
        require_writable(output, force=force)
    if plot:
        require_plot(plot, options, force=force)
    found = run_sweep(models, options)
    if output:
        found.save(output, force=force)
    if plot:
        write_plot(plot, found, force=force)
    if as_json:
        value = found.to_dict()
        rows = [{key: row[key] for key in row if key != "passes_ms"} for row in value["rows"]]
        stdout().print_json(data={**value, "rows": rows})
    else:
        print_table(sweep_table(found))
        for line in skipped_lines(found):
            stdout().print(line)
        stdout().print(advice(found))
        kept = f"written to {output}" if output else "not kept: -o FILE keeps them"
        stdout().print(f"{len(found.rows)} rows {kept}" + (f", plot written to {plot}" if plot else ""))
    if found.partial:
        raise typer.Exit(INTERRUPTED)
