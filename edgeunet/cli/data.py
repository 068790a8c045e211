"""`edgeunet data`: make a dataset folder of a tool's export, check it, divide it, merge several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from edgeunet.cli.common_options import Force, Json
from edgeunet.errors import DatasetError, UsageError
from edgeunet.utils import console
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import require_distinct
from edgeunet.utils.formatting import percentage

if TYPE_CHECKING:
    from edgeunet.data.statistics import SplitFacts

app = typer.Typer(
    help="Make a dataset folder of a tool's export, check it, divide it, merge several.", no_args_is_help=True
)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A folder or .zip in another layout; it is not changed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")],
    layout: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Layout of the source, such as coco; recognised if not given."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="List of the classes: .csv, classes.json, label_colors.txt or a .txt of names; else the source's own."
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder with the images, if the export has none, or if --masks is given.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder with the masks of --images, for two folders of any names.")
    ] = None,
    val_share: Annotated[
        float | None, typer.Option(help="Share of the frames for val if the source has no val split (0.2).")
    ] = None,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list", metavar="SPLIT=FILE", help="File with a split's frame names, one per line; may be repeated."
        ),
    ] = None,
    mask_suffix: Annotated[
        str | None,
        typer.Option(help="Ending of mask names, such as _mask; detected if all masks have the same."),
    ] = None,
    exif: Annotated[
        str | None,
        typer.Option(
            help="For images with an EXIF orientation: keep if the masks were drawn on the turned picture, drop if "
            "they were drawn on the pixels as stored."
        ),
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Ignore pixels of colours that are not in the list of classes.")
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest", help="Read a colour that is not in the list as the nearest one in it: for masks saved as JPEG."
        ),
    ] = False,
    force: Force = False,
) -> None:
    """Make a dataset folder of a labelling tool's export, or of a dataset in another layout.

    It reads exports of CVAT, LabelMe, Label Studio, Roboflow, Supervisely and others, as COCO, YOLO or in their own
    form; Cityscapes, CamVid and Pascal VOC; and folders of images and masks, in colours or class indices, with or
    without splits. If it does not recognise a source, the error lists what each layout looks like.

    Masks need a list of their classes. If there is none, the command writes one next to the output, with the values of
    the masks: fill in the names, and give it with --classes.

    Images are copied as they are. Without a val split in the source, frames are divided by drive, as `data split` does.

    Examples:

    edgeunet data convert CamVid -o camvid

    edgeunet data convert photos -o my_frames --classes classes.json --val-share 0.15
    """
    from edgeunet.data.convert.conversion import convert as make
    from edgeunet.data.convert.conversion_options import ConversionOptions

    named: dict[str, Path] = {}
    for split, file in map(_named_list, lists or ()):
        if named.setdefault(split, file) is not file:
            raise UsageError(f"--list {split} is given twice, {named[split]} and {file}: give one file for each split")
    options = ConversionOptions(
        layout=layout,
        classes=classes,
        images=images,
        masks=masks,
        val_share=val_share,
        lists=named,
        mask_suffix=mask_suffix,
        exif=cast("Literal['keep', 'drop'] | None", exif),  # checked there
        ignore_unknown=ignore_unknown,
        nearest=nearest,
        force=force,
    )
    done = make(source, output, options)
    console.stdout().print(f"{source}: recognised as {done.recognised}")
    _print_written(f"{source} ({done.layout})", done.frames, output, [done.divided, *done.notes])
    for warning in done.warnings:
        console.stderr().print(f"warning: {warning}")


@app.command()
def classes(
    masks: Annotated[Path, typer.Argument(help="Folder with masks, also in folders below it, or one mask.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .csv to write.")],
    force: Force = False,
) -> None:
    """Write a list of the values or colours of masks, with the share of each, to fill in the names of the classes.

    Lines with the same name are one class; put yes under ignore for pixels that do not count. Then give the list to
    `edgeunet data convert --classes`.

    Example: edgeunet data classes labelled/masks -o classes.csv
    """
    from edgeunet.data.convert.proposal import write_list

    require_ending(output, ".csv")
    require_distinct({"--output": output}, {"MASKS": masks})
    found = write_list(masks, output, force=force)
    out = console.stdout()
    out.print(f"{len(found.pixels)} {'values' if found.numbers else 'colours'} → {output}: fill in the names")
    if found.left_out:
        share = percentage(found.left_out)
        out.print(
            f"other colours, with {share} % of the pixels, are left out: lossy compression or smoothing makes such "
            "colours; `edgeunet data convert --nearest` reads these masks"
        )


@app.command()
def stats(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Draw frames with their masks to this .jpg or .png; every class appears.")
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Read every file of a dataset folder: sizes, share and frames of each class, and what is wrong with it.

    Exit code 1 if something must be solved before training; warnings alone are no error.

    Example: edgeunet data stats my_frames --contact-sheet sheet.jpg
    """
    from edgeunet.data.checks import check_dataset
    from edgeunet.data.contact_sheet import require_picture, write_contact_sheet
    from edgeunet.data.dataset import DatasetFolder
    from edgeunet.data.loading import survey
    from edgeunet.data.statistics import statistics
    from edgeunet.utils.check import Check

    if contact_sheet is not None:
        require_picture(contact_sheet, force=force)
    dataset = DatasetFolder.open(data)
    if contact_sheet is not None:
        require_distinct({"--contact-sheet": contact_sheet}, {"DATA": data})
    splits = survey(dataset)
    found = check_dataset(dataset, splits)
    if as_json:
        value = statistics(data, splits, dataset.names)
        console.print_json({**value, "findings": [vars(f) for f in found]})
    else:
        _print_splits(splits, dataset.names)
        nothing = [] if any(f.state != "ok" for f in found) else [Check("ok", str(data), "nothing to fix")]
        console.print_checks([*found, *nothing])
    if contact_sheet is not None:
        write_contact_sheet(dataset, splits, contact_sheet, force=force)
    if wrong := sum(f.state == "wrong" for f in found):
        raise DatasetError(f"{data} has {wrong} problem(s) to solve before training")


@app.command()
def split(
    data: Annotated[Path, typer.Argument(help="Dataset folder, with or without splits; it is not changed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")],
    val_share: Annotated[float, typer.Option(help="Share of the frames for val.")] = 0.2,
    drive: Annotated[
        str,
        typer.Option(
            metavar="REGEX",
            help="Finds the part of a frame's name that names its drive, such as '^[^_]+'; guessed if not given.",
        ),
    ] = "",
    force: Force = False,
) -> None:
    """Divide the frames of train and val again, whole drives into one of the two.

    Neighbouring frames of a video are nearly the same picture: if some are in train and some in val, the score is too
    good. Drives are guessed from the numbers and times in the names; frames that look alike stay together. If whole
    drives do not give the share, val is made of blocks of neighbours. Other splits, such as test, stay as they are.

    Example: edgeunet data split my_frames -o my_drives
    """
    from edgeunet.data.arranging.split_dataset import SplitOptions, split_dataset

    done = split_dataset(data, output, SplitOptions(val_share, drive, force))
    _print_written(f"{data}", done.frames, output, done.notes)


@app.command()
def merge(
    data: Annotated[list[Path], typer.Argument(help="Dataset folders, two or more; they are not changed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")],
    force: Force = False,
) -> None:
    """Put several dataset folders into one: classes of the same name are one class, and splits are kept.

    It says which classes only some of the datasets have, and which names differ only in case or spaces.

    Example: edgeunet data merge roads more_roads -o all_roads
    """
    from edgeunet.data.arranging.merge_datasets import merge_datasets

    done = merge_datasets(data, output, force=force)
    _print_written(" + ".join(map(str, data)), done.frames, output, done.notes)


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


def _print_written(source: str, frames: dict[str, int], output: Path, notes: Sequence[str]) -> None:
    out = console.stdout()
    out.print(f"{source}: {', '.join(f'{count} {split}' for split, count in frames.items())} frames → {output}")
    for note in filter(None, notes):
        out.print(note)


def _named_list(text: str) -> tuple[str, Path]:
    split, sign, file = text.partition("=")
    if not (split and sign and file):
        raise UsageError(f"--list is SPLIT=FILE such as val=val.txt, got {text!r}")
    return split, Path(file)
