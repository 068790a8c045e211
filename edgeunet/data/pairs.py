"""Which image belongs to which mask: the file of the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LISTED = 20  # problems that are listed; of the rest only the number


class ImageMaskPair(NamedTuple):
    """The two files of a labelled frame."""

    image: Path
    mask: Path


class Problem(NamedTuple):
    """What is wrong with a file. remedy: if it is not to fix the file."""

    file: str  # relative to the dataset
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def grouped(problems: Sequence[Problem]) -> list[Problem]:
    """For each remedy only the first problem, with the number of similar ones; then the problems without a remedy."""
    alike = Counter(p.remedy for p in problems if p.remedy)
    firsts = {p.remedy: p for p in reversed(problems)}
    groups = [
        Problem(firsts[remedy].file, firsts[remedy].what + (f", and {n - 1} more like it" if n > 1 else ""), remedy)
        for remedy, n in alike.items()
    ]
    return [*groups, *(p for p in problems if not p.remedy)]


def listed(problems: Sequence[Problem]) -> str:
    """The problems as lines of an error, at most LISTED of them, then the remedies."""
    groups = grouped(problems)
    shown = "".join(f"\n  {p}" for p in groups[:LISTED])
    more = f"\n  and {len(groups) - LISTED} more" if len(groups) > LISTED else ""
    return shown + more + "".join(f"\n{p.remedy}" for p in groups if p.remedy)


class Pairing(NamedTuple):
    """Images and masks of the same names.

    unlabelled: images without a mask. orphans: masks without an image. twice: files that share their name.
    """

    pairs: dict[str, ImageMaskPair]  # by name, in order
    unlabelled: tuple[Path, ...]
    orphans: tuple[Problem, ...]
    twice: tuple[Problem, ...]


def without_mask(image: Path, root: Path) -> Problem:
    """The problem of an image without a mask."""
    return Problem(name_in(image, root), "no mask of that name")


def pair_up(images: Sequence[Path], masks: Sequence[tuple[str, Path]], root: Path) -> Pairing:
    """Each image with the mask of its name.

    masks: with the name of the image that each belongs to. root: what the problems' names are relative to.
    """
    images_of, masks_of = Counter(p.stem for p in images), Counter(name for name, _ in masks)
    found = dict(masks)
    pairs = {p.stem: ImageMaskPair(p, found[p.stem]) for p in images if p.stem in found}
    orphans = [Problem(name_in(m, root), "no image of that name") for name, m in masks if name not in images_of]
    twice = [Problem(name_in(p, root), "two images of that name") for p in images if images_of[p.stem] > 1]
    twice += [Problem(name_in(m, root), "two masks of that name") for name, m in masks if masks_of[name] > 1]
    return Pairing(pairs, tuple(p for p in images if p.stem not in found), tuple(orphans), tuple(twice))


def name_in(path: Path, root: Path) -> str:
    """A file's name relative to the folder `root`, with slashes; whole if it is not in there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
