"""Images and masks in two folders of usual names: images/ and masks/, img_dir/ and ann_dir/, train/ and train_masks/.

The splits are folders below the two, above them, or in their names; without splits they are divided. The masks are in
colours, or in class indices. Carvana, Kaggle's CamVid, mmsegmentation's and ADE20K's folders are of this kind.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.layout import Layout
from edgeunet.data.convert.masks.mask_folders import source_of_folders
from edgeunet.data.convert.masks.mask_pairing import images_and_masks, images_below
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.images import is_hidden, is_image_name

_TAKES = ("--classes", "--images", "--masks", "--mask-suffix", "--nearest")
_IMAGES = ("images", "imgs", "img_dir", "image", "img", "frames", "photos", "pictures", "rgb", "input", "inputs")
_MASKS = (
    "masks", "mask", "ann_dir", "annotations", "labels", "label", "segmentation", "segmentations", "groundtruth", "gt",
    "targets", "target",
)  # fmt: skip
_ENDINGS = ("_masks", "_mask", "_labels", "_label", "_annotations", "_annot", "_gt", "_seg")  # train_masks/


class _FolderPair(NamedTuple):
    """A folder of images and the one of their masks."""

    images: Path
    masks: Path


def _recognise(path: Path) -> str | None:
    found = _found(path)
    if not found:
        return None
    names = [f"{folder.relative_to(path).as_posix()}/" for folder in next(iter(found.values()))]
    return f"images and masks, by {' and '.join(dict.fromkeys(names))}"


def _read(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    if options.images or options.masks:
        if not (options.images and options.masks):
            raise UsageError("--images and --masks are the folders of images and of their masks: give both")
        pair = _FolderPair(options.images, options.masks)
        found = _splits_above(pair) or _splits_below(pair)
    else:
        found = _found(path)
    if not found:
        raise DatasetError(
            f"{path} has no folders images/ and masks/: give the folder that has them, or --images and --masks"
        )
    source = source_of_folders(request, found, in_colors={"colors": True, "indices": False}.get(options.layout or ""))
    return replace(source, layout="colors" if source.in_colors else "indices")


def _found(path: Path) -> dict[str, _FolderPair]:
    """The pairs of each split: in the folder, in the folder of each split, <split> with <split>_masks, <split>_images
    with <split>_masks, or images with their masks in one folder."""
    if own := _own_pair(path):
        return _splits_below(own)
    folders = {folder.name: folder for folder in _folders(path)}
    splits = [folder for name, folder in folders.items() if split_in(name)]
    if inner := {split_in(folder.name): pair for folder in splits if (pair := _own_pair(folder))}:
        return inner
    if beside := {
        split_in(folder.name): _FolderPair(folder, folders[folder.name + end])
        for folder in splits
        for end in reversed(_ENDINGS)
        if folder.name + end in folders and images_below(folder)
    }:
        return beside
    if named := _named_pairs(folders.values()):
        return named
    mixed = {split_in(folder.name): _FolderPair(folder, folder) for folder in splits if _is_mixed(folder)}
    return mixed or ({"": _FolderPair(path, path)} if _is_mixed(path) else {})


def _named_pairs(folders: Iterable[Path]) -> dict[str, _FolderPair]:
    """train_images and train_masks, or images_train and masks_train, of each split."""
    sides: dict[str, dict[str, Path]] = defaultdict(dict)
    for folder in folders:
        words = re.split(r"[-_. ]", folder.name.lower())
        for split, kind in (words, words[::-1]) if len(words) == 2 else ():
            if split_in(split) and kind in (*_IMAGES, *_MASKS):
                sides[split_in(split)]["images" if kind in _IMAGES else "masks"] = folder
    return {split: _FolderPair(**side) for split, side in sides.items() if len(side) == 2}


def _is_mixed(folder: Path) -> bool:
    """Whether images and their masks lie in this folder itself."""
    images, masks = images_and_masks([file for file in folder.iterdir() if is_image_name(file)])
    return 0 < len(masks) <= len(images)


def _own_pair(path: Path) -> _FolderPair | None:
    """images/ and masks/, or folders that are named alike. Raises DatasetError if it may be several."""
    by_name = {folder.name.lower(): folder for folder in _folders(path)}
    if {"images", "masks"} <= by_name.keys():
        return _FolderPair(by_name["images"], by_name["masks"])
    images = [by_name[name] for name in _IMAGES if name in by_name and images_below(by_name[name])]
    masks = [by_name[name] for name in _MASKS if name in by_name and images_below(by_name[name])]
    if images and masks and len(images) + len(masks) > 2:
        several = ", ".join(f"{folder.name}/" for folder in (*images, *masks))
        raise DatasetError(f"{path} has {several}: say which with --images and --masks")
    return _FolderPair(images[0], masks[0]) if images and masks else None


def _splits_below(pair: _FolderPair) -> dict[str, _FolderPair]:
    """images/<split> and masks/<split>; the split is "" where there are no such folders."""
    names = {folder.name for side in pair for folder in _folders(side)}
    if not any(split_in(name) for name in names):
        return {"": pair}
    return {split_in(name) or name: _FolderPair(pair.images / name, pair.masks / name) for name in sorted(names)}


def _splits_above(pair: _FolderPair) -> dict[str, _FolderPair]:
    """The same folders of the other splits, if the pair is of one: train/rgb and train/seg, val/rgb and val/seg."""
    one, other = pair.images.resolve(), pair.masks.resolve()
    if not split_in(one.parent.name) or one.parent.name != other.parent.name:
        return {}
    found = {}
    for folder in _folders(one.parent.parent):
        images, masks = folder / one.name, other.parent.parent / folder.name / other.name
        if split_in(folder.name) and images.is_dir() and masks.is_dir():
            found[split_in(folder.name)] = _FolderPair(images, masks)
    return found


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not is_hidden(p))


COLORS = Layout(
    "colors",
    "images/ and masks/ or such names, with or without splits, train/ and train_masks/, or a_mask.png beside a.jpg",
    _recognise,
    _read,
    takes=_TAKES,
)
INDICES = Layout("indices", "the same with masks of class indices", lambda path: None, _read, takes=_TAKES)
