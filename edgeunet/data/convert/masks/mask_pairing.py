"""Which mask belongs to which image of two folders: by their names, with or without something before or after them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgeunet.data.convert.labels.image_search import unique_names
from edgeunet.data.pairs import ImageMaskPair, Pairing, Problem, name_in
from edgeunet.imaging.images import IMAGE_ENDINGS, SOME_ENDINGS, is_hidden, is_image_name

_MASK_NAME = re.compile(
    r"(^|[-_. ])(mask|label|labelids|gt|groundtruth|seg|segmentation|annot|annotation)s?$|^(mask|label|seg|gt)s?[-_. ]",
    re.IGNORECASE,
)
Names = dict[str, list[Path]]  # files by the name of their frame, with folders


def pair_folders(
    root: Path, folders: Mapping[str, tuple[Path, Path]], mask_suffix: str | None = None
) -> tuple[dict[str, Pairing], tuple[Problem, ...]]:
    """Pair the files of an image and a mask folder for each split; also returns the problems of the masks.

    Folders below count too; the two may be one. mask_suffix: what a mask's name has after the image's, such as "_L";
    where all masks of the source have the same, or all names of each side begin or end alike, it need not be given.
    """
    files = {
        split: images_and_masks(images_below(images), mask_suffix)
        if images == masks
        else (images_below(images, but=masks), images_below(masks, but=images))
        for split, (images, masks) in folders.items()
    }
    suffix = _common_suffix(files.values()) if mask_suffix is None else mask_suffix
    found = {}
    for split, (images, masks) in folders.items():
        ones, others = _by_name(images, files[split][0], ""), _by_name(masks, files[split][1], suffix)
        if not ones.keys() & others.keys() and (cores := _cores(ones, others)):
            ones, others = cores
        found[split] = _paired(root, images, ones, others)
    problems = []
    for split, (_, masks) in folders.items():
        if found[split].unlabelled and (unread := _others(masks)):
            what = f"no image that can be read, and {len(unread)} file(s) like it: masks are {SOME_ENDINGS}"
            problems.append(Problem(name_in(unread[0], root), what))
    return found, tuple(problems)


def images_and_masks(files: Sequence[Path], mask_suffix: str | None = None) -> tuple[list[Path], list[Path]]:
    """Files of the same folders apart: masks end in mask_suffix, have a usual word, or are the .png beside a .jpg."""
    masks = {p for p in files if (p.stem.endswith(mask_suffix) if mask_suffix else _MASK_NAME.search(p.stem))}
    if not masks and not mask_suffix:
        twice = Counter(p.with_suffix("") for p in files)
        masks = {p for p in files if p.suffix.lower() == ".png" and twice[p.with_suffix("")] == 2}
    return [p for p in files if p not in masks], [p for p in files if p in masks]


def images_below(folder: Path, but: Path | None = None) -> list[Path]:
    """The images in a folder and in those below it, without those of the folder `but`, sorted."""
    found: list[Path] = []
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".") and Path(place, name) != but]
        found += [Path(place, name) for name in names if is_image_name(Path(name))]
    return sorted(found)


def _paired(root: Path, images: Path, ones: Names, others: Names) -> Pairing:
    names = unique_names((file for files in ones.values() for file in files), images)
    pairs = {
        names[files[0]]: ImageMaskPair(files[0], others[name][0]) for name, files in ones.items() if name in others
    }
    orphans = [
        Problem(name_in(file, root), "no image of that name")
        for name in others
        if name not in ones
        for file in others[name]
    ]
    twice = [
        Problem(name_in(file, root), f"two {kind} of that name")
        for kind, side in (("images", ones), ("masks", others))
        for files in side.values()
        if len(files) > 1
        for file in files
    ]
    unlabelled = [file for name, files in ones.items() if name not in others for file in files]
    return Pairing(pairs, tuple(unlabelled), tuple(orphans), tuple(twice))


def _by_name(folder: Path, files: Sequence[Path], suffix: str) -> Names:
    found: Names = {}
    for file in files:
        name = file.relative_to(folder).with_name(file.stem.removesuffix(suffix) or file.stem).as_posix()
        found.setdefault(name, []).append(file)
    return found


def _cores(ones: Names, others: Names) -> tuple[Names, Names] | None:
    """Names without the words before and after them that all of a side have: img_007 and mask_007, 3_sat and 3_label.

    None if names are the same then, or those of masks are not those of images.
    """
    cut = []
    for side in (ones, others):
        before, after = _affixes([Path(name).name for name in side])
        cores: Names = {}
        for name, files in side.items():
            core = Path(name).name.removeprefix(before).removesuffix(after)
            cores.setdefault(Path(name).with_name(core or "-").as_posix(), []).extend(files)
        if len(cores) < len(side):
            return None
        cut.append(cores)
    return (cut[0], cut[1]) if cut[1].keys() <= cut[0].keys() else None


def _affixes(stems: Sequence[str]) -> tuple[str, str]:
    """What all names begin with, up to the first digit, and what all end with, from the first separator or no digit."""
    before, after = _begin(stems), _begin([stem[::-1] for stem in stems])[::-1]
    words, end = re.match(r"\D*", before), re.search(r"[-_. ].*$", after) or re.search(r"\D*$", after)
    return words.group() if words else "", end.group() if end else ""


def _begin(stems: Sequence[str]) -> str:
    low, high = min(stems, default=""), max(stems, default="")
    return low[: next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), 0)]


def _common_suffix(files: Iterable[tuple[list[Path], list[Path]]]) -> str:
    """What every mask's name has after that of an image, "" if they differ."""
    suffixes = set()
    for images, masks in files:
        names = {p.stem for p in images}
        for mask in masks:
            own = next((mask.stem[:n] for n in range(len(mask.stem), 0, -1) if mask.stem[:n] in names), None)
            if own is not None:
                suffixes.add(mask.stem[len(own) :])
            if len(suffixes) > 1:
                return ""
    return suffixes.pop() if suffixes else ""


def _others(folder: Path) -> list[Path]:
    """Files of a folder of masks that are not images by their endings."""
    if not folder.is_dir():
        return []
    return sorted(
        p for p in folder.iterdir() if p.is_file() and not is_hidden(p) and p.suffix.lower() not in IMAGE_ENDINGS
    )
