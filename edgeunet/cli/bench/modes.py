"""`edgeunet bench modes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.bench.bench_options import Backend, Data
from edgeunet.cli.common_options import Force, Json, Threads


def modes(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write, with every sample (JSON).")
    ] = None,
    data: Data = None,
    seconds: Annotated[float, typer.Option(help="Time to measure each mode.")] = 10.0,
    cool_down_s: Annotated[
        float, typer.Option("--cool-down-s", help="Longest time to cool down between two modes.")
    ] = 60.0,
    backend: Backend = None,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure a model in each power mode of a Jetson (nvpmodel), as root; at the end the first mode is restored.

    Modes that need a reboot are skipped. It is restored after Ctrl-C and after a failure too.

    Example: sudo env "PATH=$PATH" edgeunet bench modes model.engine -o modes.json
    """
    from edgeunet.utils.console import INTERRUPTED, stdout
    from edgeunet.utils.files import require_distinct, require_writable
    from edgeunet_bench.power_modes.measure_modes import ModesOptions, measure_modes
    from edgeunet_bench.power_modes.table import modes_table, skipped_lines
    from edgeunet_bench.render.tables import print_table

    options = ModesOptions(data, seconds, cool_down_s, backend, threads)
    require_distinct({"--output": output}, {"MODEL": model, "--data": data})
    if output:
        require_writable(output, force=force)
    found = measure_modes(model, options, output, force=force)
    if as_json:
        stdout().print_json(data=found.to_dict())
    else:
        print_table(modes_table(found))
        for line in skipped_lines(found):
            stdout().print(line)
        stdout().print(
            f"{len(found.measured)} mode{'' if len(found.measured) == 1 else 's'} "
            f"{f'written to {output}' if output else 'not kept: -o FILE keeps them'}"
        )
    if found.partial:
        raise typer.Exit(INTERRUPTED)
