"""The conversion: read a source in its layout, settle its splits, write the dataset folder whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.data.convert.camvid import read_camvid, read_segnet
from edgeunet.data.convert.cityscapes import read_cityscapes
from edgeunet.data.convert.plain import read_colors, read_indices
from edgeunet.data.convert.source import Source, Splits
from edgeunet.data.convert.splitting import VAL_SHARE, by_lists, divide
from edgeunet.data.convert.writing import write_frames
from edgeunet.data.layouts import LAYOUTS, described, detect
from edgeunet.data.pairs import Pair, listed
from edgeunet.errors import DatasetError, UsageError
from edgeunet.folders import replacing_folder


@dataclass(frozen=True)
class ConversionOptions:
    """layout: detected if not given. classes: a list of classes instead of the source's own.

    val_share: of the frames, where the source has no val (VAL_SHARE if not given). lists: files that name each
    split's frames. ignore_unknown: pixels of a colour or value that the list does not have are ignored.
    """

    layout: str | None = None
    classes: Path | None = None
    val_share: float | None = None
    lists: Mapping[str, Path] = field(default_factory=dict)
    ignore_unknown: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.layout not in (None, *LAYOUTS):
            raise UsageError(f"unknown layout {self.layout!r}: choose one of {', '.join(LAYOUTS)}")
        if self.val_share is not None and not 0 < self.val_share < 1:
            raise UsageError(f"--val-share is above 0 and below 1, got {self.val_share}")
        if self.lists and self.val_share is not None:
            raise UsageError("--list names the frames of each split and --val-share divides them: give one of them")


class Converted(NamedTuple):
    """What was made."""

    layout: str
    frames: dict[str, int]  # of each split
    left_out: int  # frames that no list names
    ignored_pixels: int  # of unknown colours or values


def convert(path: Path, target: Path, options: ConversionOptions) -> Converted:
    """Write the frames of `path` as a dataset folder to `target`; nothing in `path` is touched.

    Raises UsageError or DatasetError, with all problems listed and nothing written, OutputError if `target` exists.
    """
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder")
    one, other = path.resolve(), target.resolve()
    if one in (other, *other.parents) or other in one.parents:
        raise UsageError(f"{target} and {path} lie in each other, and the source stays as it is: choose another folder")
    layout = options.layout or detect(path)
    if layout is None:
        raise DatasetError(f"{path} has no known layout ({described()}): give the folder that has these, or --layout")
    source = _read(layout, path, options.classes)
    if source.problems:
        raise DatasetError(
            f"{path} has {len(source.problems)} problem(s), mend or remove these:{listed(source.problems)}"
        )
    splits = _settled(source.splits, path, options)
    with replacing_folder(target, force=options.force) as temporary:
        unknown = write_frames(path, source, splits, temporary, ignore_unknown=options.ignore_unknown)
        (temporary / CLASSES_FILE).write_text(source.classes.to_json(path.resolve().name), encoding="utf-8")
    frames = {split: len(pairs) for split, pairs in splits.items()}
    left_out = sum(map(len, source.splits.values())) - sum(frames.values())
    return Converted(layout, frames, left_out, unknown)


def _read(layout: str, path: Path, classes: Path | None) -> Source:
    with_classes: dict[str, Callable[[Path, Path | None], Source]] = {
        "colors": read_colors,
        "indices": read_indices,
        "segnet": read_segnet,
    }
    if reader := with_classes.get(layout):
        return reader(path, classes)
    if classes is not None:
        raise UsageError(f"{layout} has classes of its own: --classes is for {', '.join(with_classes)}")
    return read_camvid(path) if layout == "camvid" else read_cityscapes(path)


def _settled(splits: Splits, path: Path, options: ConversionOptions) -> Splits:
    """The splits of the source, where it has a val; lists come before them, and what has no val is divided."""
    found = {split: pairs for split, pairs in splits.items() if pairs}
    if not found:
        raise DatasetError(f"{path} has no labelled frame: no image has a mask (.png) of its name")
    if options.lists:
        return by_lists(_together(found), options.lists)
    if "val" in found:
        if options.val_share is not None:
            raise UsageError(f"{path} has a val split, which is kept: leave --val-share out, or give --list")
        return found
    whole = "train" if "train" in found else ""
    if whole not in found:
        raise DatasetError(f"{path} has the splits {', '.join(found)}, but neither train nor val: name them so")
    return {**divide(found.pop(whole), options.val_share or VAL_SHARE), **found}


def _together(splits: Splits) -> dict[str, Pair]:
    """The frames of all splits; raises DatasetError if a name does not tell which one is meant."""
    together: dict[str, Pair] = {}
    for pairs in splits.values():
        if twice := together.keys() & pairs.keys():
            raise DatasetError(f"{min(twice)} is in several splits, so that a list cannot name it: leave --list out")
        together |= pairs
    return together
