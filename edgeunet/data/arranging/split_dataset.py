"""A dataset folder divided again: train and val by drive, its other splits as they are."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.dividing.division import VAL_SHARE, divide
from edgeunet.data.facts.likeness import Likeness, likeness_of
from edgeunet.data.pairs import ImageMaskPair, Pairing, Problem, listed, pair_up, without_mask
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.images import images_in
from edgeunet.imaging.mask_image import value_counts
from edgeunet.utils import console
from edgeunet.utils.files import require_distinct
from edgeunet.utils.folders import replacing_folder, require_apart, require_folder_writable

_DIVIDED = ("train", "val")


@dataclass(frozen=True)
class SplitOptions:
    """val_share: of the frames of train and val. drive: finds the part of a frame's name that names its drive, instead
    of guessing."""

    val_share: float = VAL_SHARE
    drive: str = ""
    force: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.val_share < 1:
            raise UsageError(f"--val-share is above 0 and below 1, got {self.val_share}")
        try:
            re.compile(self.drive)
        except re.error as error:
            raise UsageError(
                f"--drive {self.drive!r} is not a regular expression ({error}); an example is '^[^_]+'"
            ) from error


class SplitResult(NamedTuple):
    """frames: of each split. notes: lines that say what was divided how."""

    frames: dict[str, int]
    notes: tuple[str, ...]


class _Seen(NamedTuple):
    """What divides a frame: how its picture looks, and which classes it has, bool (classes,)."""

    likeness: Likeness
    classes: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def split_dataset(path: Path, target: Path, options: SplitOptions) -> SplitResult:
    """Copy the dataset folder `path` to `target` with other splits train and val.

    Divided are the frames of both, or all if there are no splits. Nothing in `path` is touched. Raises DatasetError
    that lists all frames that are damaged, UsageError, or OutputError if `target` exists and `force` may not replace
    it; nothing is written then.
    """
    dataset = DatasetFolder.open(path)
    require_apart(path, target)
    require_distinct({"--output": target}, {"DATA": path}, replaced=[target])
    require_folder_writable(target, force=options.force)
    others = [split for split in dataset.splits() if split not in _DIVIDED]
    pairs = _pairs(dataset)
    seen = _look(dataset, list(pairs.values()))
    division = divide(
        list(pairs),
        options.val_share,
        hashes=[s.likeness for s in seen],
        classes=[s.classes for s in seen],
        pattern=re.compile(options.drive) if options.drive else None,
    )
    frames = {"train": len(division.train), "val": len(division.val)}
    with replacing_folder(target, force=options.force) as temporary:
        for kind in ("images", "masks"):
            for split in _DIVIDED:
                (temporary / kind / split).mkdir(parents=True)
        for name, pair in pairs.items():
            split = "val" if name in division.val else "train"
            # Copied, not linked: a change of the copy must not reach the source.
            shutil.copyfile(pair.image, temporary / "images" / split / f"{name}{pair.image.suffix}")
            shutil.copyfile(pair.mask, temporary / "masks" / split / f"{name}{pair.mask.suffix}")
        for split in others:
            frames[split] = len(images_in(path / "images" / split))
            for kind in ("images", "masks"):
                for file in images_in(path / kind / split):
                    (temporary / kind / split).mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, temporary / kind / split / file.name)
        shutil.copyfile(path / CLASSES_FILE, temporary / CLASSES_FILE)
    kept = [f"{', '.join(others)}: as before"] if others else []
    return SplitResult(frames, (division.said, *kept))


def _pairs(dataset: DatasetFolder) -> dict[str, ImageMaskPair]:
    """The frames to divide, by the name that each gets. Raises DatasetError for files without their counterpart."""
    splits = [split for split in _DIVIDED if split in dataset.splits()]
    found: dict[str, Pairing] = {split: dataset.paired(split) for split in splits}
    if not dataset.splits():
        masks = images_in(dataset.path / "masks")
        found[""] = pair_up(images_in(dataset.path / "images"), [(p.stem, p) for p in masks], dataset.path)
    problems = [p for f in found.values() for p in (*f.orphans, *f.twice)]
    problems += [without_mask(p, dataset.path) for f in found.values() for p in f.unlabelled]
    _require_none(dataset, problems)
    count = Counter(name for f in found.values() for name in f.pairs)
    pairs = {
        f"{split}_{name}" if count[name] > 1 else name: pair
        for split, f in found.items()
        for name, pair in f.pairs.items()
    }
    if len(pairs) < sum(len(f.pairs) for f in found.values()):
        raise DatasetError(f"{dataset.path} has frames of one name in train and val: rename them")
    if not pairs:
        raise DatasetError(f"{dataset.path} has no labelled frames in images/ or images/train: nothing can be divided")
    return pairs


def _look(dataset: DatasetFolder, pairs: Sequence[ImageMaskPair]) -> list[_Seen]:
    seen: list[_Seen] = []
    problems: list[Problem] = []
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda pair: _seen(dataset, pair), pairs)
        for result in bar.track(results, total=len(pairs), description="reading"):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                seen.append(result)
    _require_none(dataset, problems)
    return seen


def _seen(dataset: DatasetFolder, pair: ImageMaskPair) -> _Seen | Problem:
    sample = dataset.read(pair)
    if isinstance(sample, Problem):
        return sample
    counts = value_counts(sample.mask)[: len(dataset.classes)]
    return _Seen(likeness_of(sample.frame), counts > 0)


def _require_none(dataset: DatasetFolder, problems: Sequence[Problem]) -> None:
    if problems:
        raise DatasetError(f"{dataset.path} has {len(problems)} problem(s), fix these files:{listed(problems)}")
