"""`edgeunet data`: look at a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeunet import console
from edgeunet.errors import DatasetError

if TYPE_CHECKING:
    from edgeunet.data.statistics import SplitFacts

app = typer.Typer(help="Look at a dataset folder.", no_args_is_help=True)

Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def stats(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Draw frames with their masks, every class among them, to this .jpg or .png.")
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Read every file of a dataset folder: sizes, share and frames of each class, and what is wrong with it.

    Exit code 1 if something must be mended before training; warnings alone are no error.

    Example: edgeunet data stats my_frames --contact-sheet sheet.jpg
    """
    from edgeunet.data.contact_sheet import require_picture, write_contact_sheet
    from edgeunet.data.findings import findings
    from edgeunet.data.folder import DatasetFolder
    from edgeunet.data.statistics import statistics, survey
    from edgeunet.finding import Finding

    if contact_sheet is not None:
        require_picture(contact_sheet, force=force)
    dataset = DatasetFolder.open(data)
    splits = survey(dataset)
    found = findings(dataset, splits)
    if as_json:
        value = statistics(data, splits, dataset.names)
        console.print_json({**value, "findings": [vars(f) for f in found]})
    else:
        _print_splits(splits, dataset.names)
        console.print_findings(found or [Finding("ok", str(data), "nothing to mend")])
    if contact_sheet is not None:
        write_contact_sheet(dataset, splits, contact_sheet, force=force)
    if wrong := sum(f.state == "wrong" for f in found):
        raise DatasetError(f"{data} has {wrong} problem(s) that must be mended before training")


def _print_splits(splits: dict[str, SplitFacts], names: tuple[str, ...]) -> None:
    out = console.stdout()
    columns: list[list[str]] = [[*names, "ignored"]]
    for split, facts in splits.items():
        sizes = "".join(f", {count} of {size}" for size, count in facts.sizes().items())
        out.print(f"{split}: {len(facts.frames)} frames{sizes}")
        columns.append([f"{100 * share:.2f}" for share in (*facts.shares(len(names)), facts.ignored())])
        columns.append([*map(str, facts.occurrences(len(names))), ""])
    header = ["class", *(title for split in splits for title in (f"{split} %", "frames"))]
    console.table("pixels of each class, and frames in which it occurs", header, list(zip(*columns, strict=True)))
