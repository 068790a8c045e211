"""The conversion: read a source in its layout, choose its splits, write the dataset folder whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.data.convert.camvid import read_camvid, read_segnet
from edgeunet.data.convert.cityscapes import read_cityscapes
from edgeunet.data.convert.conversion_source import ConversionSource, Splits
from edgeunet.data.convert.image_mask_folders import read_plain
from edgeunet.data.convert.splitting import VAL_SHARE, by_lists, divide
from edgeunet.data.convert.writing import Exif, WrittenFrames, write_frames
from edgeunet.data.layouts import LAYOUTS, described, detect
from edgeunet.data.pairs import ImageMaskPair, Problem, listed, without_mask
from edgeunet.errors import DatasetError, UsageError
from edgeunet.utils.files import require_distinct
from edgeunet.utils.folders import replacing_folder, require_folder_writable
from edgeunet.utils.formatting import percentage

_MUCH = 0.01  # share of all pixels that are ignored because their colour is unknown
_WITH_CLASSES = ("colors", "indices", "segnet")


@dataclass(frozen=True)
class ConversionOptions:
    """layout: detected if not given. classes: a list of classes instead of the source's own.

    val_share: of the frames, where the source has no val (VAL_SHARE if not given). lists: files that name each
    split's frames. mask_suffix: what a mask's name has after its image's. exif: what happens to images with an EXIF
    orientation, see write_frames(). ignore_unknown: pixels of a colour or value that the list does not have are
    ignored.
    """

    layout: str | None = None
    classes: Path | None = None
    val_share: float | None = None
    lists: Mapping[str, Path] = field(default_factory=dict)
    mask_suffix: str | None = None
    exif: Exif | None = None
    ignore_unknown: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.layout not in (None, *LAYOUTS):
            raise UsageError(f"unknown layout {self.layout!r}: choose one of {', '.join(LAYOUTS)}")
        if self.val_share is not None and not 0 < self.val_share < 1:
            raise UsageError(f"--val-share is above 0 and below 1, got {self.val_share}")
        if self.lists and self.val_share is not None:
            raise UsageError("--list names the frames of each split and --val-share divides them: give one of them")
        if self.exif not in (None, "keep", "drop"):
            raise UsageError(f"--exif is keep or drop, got {self.exif!r}")
        for split in self.lists:
            if not re.fullmatch(r"\w[\w.-]*", split):
                raise UsageError(f"a split is one plain name such as val, and becomes a folder; got {split!r}")


class ConversionResult(NamedTuple):
    """What was written; notes and warnings are lines to print."""

    layout: str
    frames: dict[str, int]  # of each split
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def convert(path: Path, target: Path, options: ConversionOptions) -> ConversionResult:
    """Write the frames of `path` as a dataset folder to `target`; nothing in `path` is touched.

    Raises UsageError or DatasetError, with all problems listed and nothing written, OutputError if `target` exists and
    `force` may not replace it.
    """
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder")
    one, other = path.resolve(), target.resolve()
    if one in (other, *other.parents) or other in one.parents:
        raise UsageError(f"{target} and {path} overlap, and the source must not change: choose another folder")
    inputs = {"SOURCE": path, "--classes": options.classes, **{f"--list {s}": f for s, f in options.lists.items()}}
    require_distinct({"--output": target}, inputs, replaced=[target])
    require_folder_writable(target, force=options.force)
    layout = options.layout or detect(path)
    if layout is None:
        raise DatasetError(f"{path} has no known layout ({described()}): give the folder that has these, or --layout")
    source = _read(layout, path, target, options)
    splits, left_out = _choose_splits(source, path, options)
    with replacing_folder(target, force=options.force) as temporary:
        done = write_frames(path, source, splits, temporary, ignore_unknown=options.ignore_unknown, exif=options.exif)
        (temporary / CLASSES_FILE).write_text(source.classes.to_json(path.resolve().name), encoding="utf-8")
    if layout in ("colors", "indices"):
        layout = "colors" if source.table.in_colors else "indices"
    frames = {split: len(pairs) for split, pairs in splits.items()}
    return ConversionResult(layout, frames, (*left_out, *_notes(done, options)), tuple(_warnings(done, source)))


def _read(layout: str, path: Path, target: Path, options: ConversionOptions) -> ConversionSource:
    if layout in ("colors", "indices"):
        in_colors = layout == "colors" if options.layout else None
        return read_plain(path, options.classes, options.mask_suffix, in_colors=in_colors, output=target)
    if layout == "segnet":
        return read_segnet(path, options.classes, options.mask_suffix)
    if options.classes is not None:
        raise UsageError(f"{layout} has its own classes: --classes is for {', '.join(_WITH_CLASSES)}")
    if options.mask_suffix is not None:
        raise UsageError(f"{layout} has its own names: --mask-suffix is for {', '.join(_WITH_CLASSES)}")
    return read_camvid(path) if layout == "camvid" else read_cityscapes(path)


def _notes(done: WrittenFrames, options: ConversionOptions) -> Iterator[str]:
    if done.unknown:
        share = percentage(done.unknown / done.area)
        yield f"{done.unknown} pixels of unknown colours, {share} % of all, are ignored"
    if done.turned and options.exif is None:
        yield (
            f"{done.turned} image(s) have an EXIF orientation and are turned by it wherever they are read; if their "
            "masks were drawn on the pixels as stored, give --exif drop, else --exif keep, which turns the pixels"
        )


def _warnings(done: WrittenFrames, source: ConversionSource) -> Iterator[str]:
    if done.unknown >= _MUCH * done.area:
        yield (
            f"{percentage(done.unknown / done.area)} % of all pixels are of unknown colours and ignored: add the "
            "colours to the list of classes, or export the masks again as PNG, which is lossless"
        )
    counted = done.pixels[: len(source.classes.classes)]
    absent = [c.name for c, pixels in zip(source.classes.classes, counted, strict=True) if not pixels]
    if len(counted) - len(absent) == 1:
        only = source.classes.classes[int(counted.argmax())].name
        yield f"every pixel that counts is {only}: look at the masks and at the list of classes"
    elif absent:
        yield f"no mask has a pixel of {', '.join(absent)}: look at the masks and at the list of classes"


def _choose_splits(source: ConversionSource, path: Path, options: ConversionOptions) -> tuple[Splits, list[str]]:
    """The splits of the lists if there are any, of the source if it has a val split, or divided here.

    With notes about what is left out. Raises DatasetError for problems of files that are needed.
    """
    splits = {split: pairs for split, pairs in source.splits.items() if pairs}
    twice = [p for pairing in source.found.values() for p in pairing.twice]
    if options.lists and not twice:
        unlabelled = {p.stem for pairing in source.found.values() for p in pairing.unlabelled}
        wanted = by_lists(_together(splits), options.lists, unlabelled)
        left = sum(len(p.pairs) + len(p.unlabelled) for p in source.found.values()) - sum(map(len, wanted.values()))
        return wanted, [f"{left} frames are in no list and are left out"] if left else []
    problems: list[Problem] = [*source.problems, *twice]
    left_out = []
    for split, pairing in source.found.items():
        problems += pairing.orphans
        if pairing.pairs or split in ("", "train", "val"):
            problems += [without_mask(p, path) for p in pairing.unlabelled]
        elif pairing.unlabelled:
            left_out.append(f"{len(pairing.unlabelled)} images of {split} have no masks and are left out")
    if problems:
        raise DatasetError(
            f"{path} has {len(problems)} problem(s), fix these, or name the frames of each split with --list:"
            f"{listed(problems)}"
        )
    if not splits:
        raise DatasetError(
            f"{path} has no labelled frame: no mask has an image's name, or that name with an ending (--mask-suffix)"
        )
    if "val" in splits:
        if options.val_share is not None:
            raise UsageError(f"{path} has a val split, which is kept: leave out --val-share, or give --list")
        return splits, left_out
    whole = "train" if "train" in splits else ""
    if whole not in splits:
        raise DatasetError(f"{path} has the splits {', '.join(splits)}, but neither train nor val: name them so")
    return {**divide(splits.pop(whole), options.val_share or VAL_SHARE), **splits}, left_out


def _together(splits: Splits) -> dict[str, ImageMaskPair]:
    """The frames of all splits; raises DatasetError for a name that is in several of them."""
    together: dict[str, ImageMaskPair] = {}
    for pairs in splits.values():
        if twice := together.keys() & pairs.keys():
            raise DatasetError(f"{min(twice)} is in several splits, so a list cannot name it: leave out --list")
        together |= pairs
    return together
