"""The conversion: read a source in its layout, choose its splits, write the dataset folder whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgeunet.data.classes import CLASSES_FILE, spellings
from edgeunet.data.convert.archive import unpacked
from edgeunet.data.convert.conversion_options import ConversionOptions, Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, LabelledFrame, Splits
from edgeunet.data.convert.masks.mask_folders import without_frames
from edgeunet.data.convert.recognition import LAYOUTS, chosen
from edgeunet.data.convert.splitting import by_drive, by_lists
from edgeunet.data.convert.unknown_values import LOSSY
from edgeunet.data.convert.writing import WrittenFrames, write_frames
from edgeunet.data.dividing.division import VAL_SHARE
from edgeunet.data.pairs import Problem, listed, without_mask
from edgeunet.errors import DatasetError, UsageError
from edgeunet.utils.files import require_distinct
from edgeunet.utils.folders import replacing_folder, require_apart, require_folder_writable
from edgeunet.utils.formatting import percentage

_MUCH = 0.01  # share of all pixels that are ignored because their colour is unknown
_OWN = {
    "--classes": "classes",
    "--images": "images",
    "--masks": "masks",
    "--mask-suffix": "names",
    "--nearest": "classes",
}


class ConversionResult(NamedTuple):
    """What was written; notes and warnings are lines to print."""

    layout: str
    recognised: str  # by what, such as "CamVid, by 701_StillsRaw_full/ and LabeledApproved_full/"
    frames: dict[str, int]  # of each split
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    divided: str = ""  # a line about train and val, if the source has no val


def convert(path: Path, target: Path, options: ConversionOptions) -> ConversionResult:
    """Write the frames of `path` as a dataset folder to `target`; nothing in `path` is touched.

    Raises UsageError or DatasetError, with all problems listed and nothing written, OutputError if `target` exists and
    `force` may not replace it.
    """
    require_apart(path, target)
    inputs = {"SOURCE": path, "--classes": options.classes, "--images": options.images, "--masks": options.masks}
    inputs |= {f"--list {split}": file for split, file in options.lists.items()}
    require_distinct({"--output": target}, inputs, replaced=[target])
    require_folder_writable(target, force=options.force)
    for option, folder in (("--images", options.images), ("--masks", options.masks)):
        if folder is not None and not folder.is_dir():
            raise DatasetError(f"{folder}: no such folder; {option} is a folder of image files")
    with unpacked(path) as folder:
        return _convert(folder, path, target, options)


def _convert(path: Path, given: Path, target: Path, options: ConversionOptions) -> ConversionResult:
    """given: `path` as the user named it."""
    layout, by = chosen(path, options.layout, any_pair=options.masks is not None)
    for option, value in (
        ("--classes", options.classes),
        ("--images", options.images),
        ("--masks", options.masks),
        ("--mask-suffix", options.mask_suffix),
        ("--nearest", options.nearest or None),
    ):
        if value is not None and option not in layout.takes:
            takers = ", ".join(name for name, other in LAYOUTS.items() if option in other.takes)
            raise UsageError(f"{layout.name} has its own {_OWN[option]}: {option} is for {takers}")
    source = layout.read(Request(path, target, options))
    splits, left_out, divided = _choose_splits(source, path, options)
    with replacing_folder(target, force=options.force) as temporary:
        done = write_frames(path, source, splits, temporary, ignore_unknown=options.ignore_unknown, exif=options.exif)
        listed = source.classes.to_json(given.resolve().name.removesuffix(".zip"))
        (temporary / CLASSES_FILE).write_text(listed, encoding="utf-8")
    return ConversionResult(
        source.layout or layout.name,
        by,
        {split: len(frames) for split, frames in splits.items()},
        (*source.notes, *left_out, *_notes(done, options)),
        tuple(_warnings(done, source, splits)),
        divided,
    )


def _notes(done: WrittenFrames, options: ConversionOptions) -> Iterator[str]:
    if done.unknown:
        share = percentage(done.unknown / done.area)
        yield f"{done.unknown} pixels of unknown {done.kind}s, {share} % of all, are ignored"
    if done.moved.pixels:
        share, steps = percentage(done.moved.pixels / done.area), done.moved.steps
        yield (
            f"{done.moved.pixels} pixels, {share} % of all, took the nearest colour of the list; the farthest is "
            f"{done.moved.color}, {steps:.0f} of 255 away"
        )
    if done.left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in done.left_out.most_common())
        yield f"left out, because a mask cannot show them: {kinds}"
    if done.empty:
        yield f"{done.empty} frame(s) have no shape and become all background: check that they are labelled"
    if done.turned and options.exif is None:
        yield (
            f"{done.turned} image(s) have an EXIF orientation and are turned by it wherever they are read; if their "
            "masks were drawn on the pixels as stored, give --exif drop, else --exif keep, which turns the pixels"
        )
    if done.masks_turned and options.exif is None:
        yield (
            f"{done.masks_turned} mask(s) have an EXIF orientation that their image does not have, and are turned by "
            "it; if image and mask fit as stored, give --exif drop"
        )


def _warnings(done: WrittenFrames, source: ConversionSource, splits: Splits) -> Iterator[str]:
    if "train" not in splits:
        yield f"there is no train split, only {', '.join(splits)}: networks can be evaluated on it, not trained"
    if done.lossy:
        yield f"{done.lossy} mask(s) are JPEG: {LOSSY}"
    for group in spellings(c.name for c in source.classes.classes):
        yield f"{' and '.join(group)} are separate classes: if they mean the same, give them one name in the source"
    if done.unknown >= _MUCH * done.area:
        lossless = ", or export the masks again as PNG, which is lossless" if done.kind == "colour" else ""
        yield (
            f"{percentage(done.unknown / done.area)} % of all pixels are of unknown {done.kind}s and ignored: add the "
            f"{done.kind}s to the list of classes{lossless}"
        )
    counted = done.pixels[: len(source.classes.classes)]
    absent = [c.name for c, pixels in zip(source.classes.classes, counted, strict=True) if not pixels]
    if len(counted) - len(absent) == 1:
        only = source.classes.classes[int(counted.argmax())].name
        yield f"every pixel that counts is {only}: look at the masks and at the list of classes"
    elif absent:
        yield f"no mask has a pixel of {', '.join(absent)}: look at the masks and at the list of classes"


def _choose_splits(source: ConversionSource, path: Path, options: ConversionOptions) -> tuple[Splits, list[str], str]:
    """The splits of the lists if there are any, of the source if it has a val split, or divided here.

    With notes about what is left out, and a line about the division here. Raises DatasetError for problems of files
    that are needed.
    """
    splits = {split: frames for split, frames in source.splits.items() if frames}
    if options.lists and not source.twice:
        unlabelled = {p.stem for paths in source.unlabelled.values() for p in paths}
        wanted = by_lists(_together(splits), options.lists, unlabelled)
        have = sum(map(len, splits.values())) + sum(map(len, source.unlabelled.values()))
        left = have - sum(map(len, wanted.values()))
        return wanted, [f"{left} frame(s) are not in any list and are left out"] if left else [], ""
    problems: list[Problem] = [*source.twice, *source.problems]
    left_out = []
    for split, paths in source.unlabelled.items():
        if split in splits or split in ("", "train", "val"):
            problems += [without_mask(p, path) for p in paths]
        elif paths:
            left_out.append(f"{len(paths)} images of {split} have no masks and are left out")
    if problems:
        fix = "" if all(p.remedy for p in problems) else ", fix these, or name the frames of each split with --list"
        raise DatasetError(f"{path} has {len(problems)} problem(s){fix}:{listed(problems)}")
    if not splits:
        raise DatasetError(without_frames(path))
    if "val" in splits:
        if options.val_share is not None:
            raise UsageError(f"{path} has a val split, which is kept: leave out --val-share, or give --list")
        return splits, left_out, ""
    whole = "train" if "train" in splits else ""
    if whole not in splits:
        raise DatasetError(f"{path} has the splits {', '.join(splits)}, but neither train nor val: name them so")
    divided = by_drive(splits.pop(whole), options.val_share or VAL_SHARE)
    return {**divided.splits, **splits}, left_out, divided.said


def _together(splits: Splits) -> dict[str, LabelledFrame]:
    """The frames of all splits; raises DatasetError for a name that is in several of them."""
    together: dict[str, LabelledFrame] = {}
    for pairs in splits.values():
        if twice := together.keys() & pairs.keys():
            raise DatasetError(f"{min(twice)} is in several splits, so a list cannot name it: leave out --list")
        together |= pairs
    return together
