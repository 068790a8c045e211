"""What an experienced eye sees in labels: objects that vanish, masks of two tools, masks beside their objects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.facts.mask_edges import edge_shift
from edgeunet.data.facts.object_sizes import tiny_objects, usual_input_size, usual_tiles
from edgeunet.data.statistics import FrameFacts, SplitFacts
from edgeunet.utils.check import Check
from edgeunet.utils.formatting import percentage, some

_NAMED = 3  # frames named one by one
_ALMOST_ALL = 0.99  # of a mask's pixels
_BLENDED = 0.1  # of a mask's borders: drawn masks have at most 0.03, resized ones at least 0.16
_OFTEN = 0.25  # share of the frames, and at least _FRAMES, of which something is said
_FRAMES = 5
_SEEN = 2.0  # pixels: smaller objects are lost


def label_checks(
    dataset: DatasetFolder, splits: Mapping[str, SplitFacts], size: tuple[int, int] | None, *, tiled: bool
) -> Iterator[Check]:
    """size, tiled: see check_dataset()."""
    frames = [f for facts in splits.values() for f in facts.frames]
    if not frames:
        return
    part = dataset.path.name or "masks"
    yield from _tiny(dataset, frames, size or usual_input_size([f.size for f in frames]), tiled=tiled)
    yield from _background(dataset, frames, part)
    yield from _kinds(dataset, frames, part)
    yield from _two_numbers(dataset, frames, part)
    yield from _blends(frames, part)
    scores = [f.look.edges for f in frames if f.look and f.look.edges is not None]
    if shift := edge_shift(scores):
        ways = [
            f"{abs(pixels)} pixel(s) {way}"
            for pixels, way in (
                (shift.right, "right" if shift.right > 0 else "left"),
                (shift.down, "down" if shift.down > 0 else "up"),
            )
            if pixels
        ]
        yield Check(
            "warning",
            part,
            f"the edges of the masks lie {' and '.join(ways)} of those in the images, in {percentage(shift.share)} % "
            f"of {len(scores)} frames",
            "look at some of them enlarged; a tool that counts pixels from 1, or another way of resizing, does that: "
            "export the masks again",
        )


def _tiny(
    dataset: DatasetFolder, frames: Sequence[FrameFacts], size: tuple[int, int], *, tiled: bool
) -> Iterator[Check]:
    looked = [(f.look, min(size[0] / f.size[0], size[1] / f.size[1])) for f in frames if f.look]
    for index, c in enumerate(dataset.classes):
        having = [(look.objects[index], scale) for look, scale in looked if index in look.objects]
        if found := tiny_objects([areas for areas, _ in having], [scale for _, scale in having]):
            times = math.ceil(_SEEN / found.side)
            if max(scale for _, scale in having) >= 1:
                remedy = "images of a higher resolution are needed"
            else:
                larger = f"give `train` a larger input, such as --size {times * size[0]}x{times * size[1]}"
                rows, columns = usual_tiles(max(f.size for f in frames))
                tiles = f"cut the frames into tiles with --tiles {rows}x{columns}" if rows * columns > 1 else ""
                if tiled and tiles:
                    remedy = f"{tiles}, without --size: they keep the frames' resolution"
                else:
                    remedy = f"{larger}, or {tiles}" if tiles else larger
            yield Check(
                "warning",
                c.name,
                f"{percentage(found.share)} % of its objects are smaller than {_SEEN:g} pixels at the input size "
                f"{size[0]}×{size[1]}, and the network cannot see them",
                remedy,
            )


def _background(dataset: DatasetFolder, frames: Sequence[FrameFacts], part: str) -> Iterator[Check]:
    if np.count_nonzero(np.sum([f.pixels for f in frames], axis=0)) < 2:
        return  # a single class is another check's
    full = Counter(int(f.pixels.argmax()) for f in frames if f.pixels.max() > _ALMOST_ALL * max(1, f.pixels.sum()))
    for index, count in full.most_common(1):
        if count > len(frames) / 2 and count > 1:
            name, share = dataset.classes[index].name, f"{100 * _ALMOST_ALL:g} %"
            found = f"{name} has more than {share} of the pixels in {count} of {len(frames)} masks"
            remedy = "check that all objects are labelled; if they are, crop the images around them"
            yield Check("warning", part, found, remedy)


def _kinds(dataset: DatasetFolder, frames: Sequence[FrameFacts], part: str) -> Iterator[Check]:
    """Masks of two file types; two tools may have written them, each with numbers of its own."""
    kinds = Counter(f.image.mask_kind for f in frames)
    if len(kinds) < 2:
        return
    groups = {kind: [f for f in frames if f.image.mask_kind == kind] for kind, _ in kinds.most_common()}
    said = ", ".join(f"{len(group)} {kind} ({some([f.name for f in group], 1)})" for kind, group in groups.items())
    one, other = list(groups.values())[:2]
    only = [*_only_in(dataset, one, other), *_only_in(dataset, other, one)]
    differ = f"; only one of the two largest groups has {some(only, _NAMED)}" if only else ""
    yield Check(
        "warning",
        part,
        f"its masks are of {len(groups)} file types, as from several tools: {said}{differ}",
        "look in the contact sheet whether a number means the same class in all of them",
    )


def _only_in(dataset: DatasetFolder, having: Sequence[FrameFacts], lacking: Sequence[FrameFacts]) -> Iterator[str]:
    """The classes that are frequent in some frames and that no other frame has."""
    if min(len(having), len(lacking)) < _FRAMES:
        return
    counts = np.sum([f.pixels > 0 for f in having], axis=0), np.sum([f.pixels > 0 for f in lacking], axis=0)
    for c, here, there in zip(dataset.classes, *counts, strict=True):
        if here > len(having) / 2 and not there:
            yield c.name


def _two_numbers(dataset: DatasetFolder, frames: Sequence[FrameFacts], part: str) -> Iterator[Check]:
    """0 and 1 from one tool, 0 and 255 from another: 255 is ignored."""
    marked, plain = [f for f in frames if f.unowned], [f for f in frames if not f.unowned]
    if min(len(marked), len(plain)) < max(_FRAMES, _OFTEN * len(frames)):
        return
    for name in _only_in(dataset, plain, marked):
        yield Check(
            "warning",
            part,
            f"{len(marked)} masks have 255, which is ignored, and none of these has {name}, which is in most others",
            f"if 255 is {name} there: convert those masks separately, with a list of classes that says so",
        )


def _blends(frames: Sequence[FrameFacts], part: str) -> Iterator[Check]:
    looked = [f for f in frames if f.look]
    if blended := [f.name for f in looked if f.look and f.look.blended > _BLENDED]:
        yield Check(
            "warning",
            part,
            f"{len(blended)} of {len(looked)} masks have, along the borders of classes, values between those on both "
            f"sides: {some(blended, _NAMED)}",
            "they were smoothed or resized, and these values mean other classes: export them again, and resize masks "
            "with nearest neighbour",
        )
