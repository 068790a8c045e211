"""Checks of a dataset: what is hard or impossible to learn from it, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from edgeunet.data.convert_command import convert_command
from edgeunet.data.dataset import DatasetFolder, size_text
from edgeunet.data.facts.likeness import closest
from edgeunet.data.label_checks import label_checks
from edgeunet.data.pairs import LISTED, grouped
from edgeunet.data.statistics import FrameFacts, SplitFacts
from edgeunet.utils.check import Check
from edgeunet.utils.formatting import percentage, some

FEW = 5  # frames with a class: with fewer a network memorises them
SMALL_SIDE = 64  # pixels: three halvings leave 8
ENLARGED = 2.0  # times: so far objects may gain from more pixels than they have
MOSTLY = 0.5  # of a mask's pixels ignored
_STATES = ("wrong", "warning", "ok")
_NAMED = 3  # frames named one by one


def check_dataset(
    dataset: DatasetFolder,
    splits: Mapping[str, SplitFacts],
    size: tuple[int, int] | None = None,
    *,
    tiled: bool = False,
) -> list[Check]:
    """All checks that find something: first what is wrong and must be fixed before training, then warnings.

    size: the network's input (height, width) in pixels; what `train` takes if it is not told, where None.
    tiled: whether that is what several tiles cover together.
    """
    found = [*_file_checks(splits), *_split_checks(splits), *_image_checks(dataset, splits)]
    if splits.keys() >= {"train", "val"} and splits["train"].frames and splits["val"].frames:
        found += _class_checks(dataset, splits["train"], splits["val"])
    if tiled and size is not None:
        found += _enlarged(splits, size)
    found += [*_copies(splits), *_masks(splits), *label_checks(dataset, splits, size, tiled=tiled)]
    return sorted(found, key=lambda f: _STATES.index(f.state))


def _enlarged(splits: Mapping[str, SplitFacts], size: tuple[int, int]) -> Iterator[Check]:
    """Tiles that show more pixels than the frames have, and so cost time for nothing."""
    factors = [min(size[0] / f.size[0], size[1] / f.size[1]) for facts in splits.values() for f in facts.frames]
    if factors and (least := min(factors)) > ENLARGED:
        yield Check(
            "warning",
            "--tiles",
            f"all tiles together have {size_text(size)} pixels and enlarge every frame, {least:.1f} times or more",
            "fewer tiles, or a smaller --size of each, show the same in less time",
        )


def _file_checks(splits: Mapping[str, SplitFacts]) -> Iterator[Check]:
    for split, facts in splits.items():
        problems = grouped(facts.problems)
        for problem in problems[:LISTED]:
            yield Check(
                "wrong", problem.file, problem.what, problem.remedy or "fix it, or move the frame out of the dataset"
            )
        if len(problems) > LISTED:
            yield Check("wrong", split, f"{len(problems) - LISTED} more files like these", "fix them")


def _split_checks(splits: Mapping[str, SplitFacts]) -> Iterator[Check]:
    for split in ("train", "val"):
        if split not in splits:
            yield Check("wrong", split, f"there is no images/{split}", "training needs the splits train and val")
    for split, facts in splits.items():
        if facts.without_masks:
            yield Check("ok", split, f"{facts.without_masks} image(s) without masks, which training does not need")
        if len(facts.frames) == 1:
            yield Check("warning", split, "has a single frame", _SINGLE.get(split, "add more"))
        if facts.frames and not any(f.pixels.any() for f in facts.frames):
            yield Check("wrong", split, "every pixel is ignored", "label some, or fix `ignore` in classes.json")


_SINGLE = {
    "train": "the network will memorise it; label more frames",
    "val": "its scores say little about other frames; label more frames",
}


def _class_checks(dataset: DatasetFolder, train: SplitFacts, val: SplitFacts) -> Iterator[Check]:
    occurring = [
        c.name for c, frames in zip(dataset.classes, train.occurrences(len(dataset.classes)), strict=True) if frames
    ]
    if len(occurring) == 1:
        remedy = _absent_remedy("the other class", dataset, train) if train.unowned() else "label a second class"
        yield Check("wrong", "train", f"{occurring[0]} is the only class in its masks", remedy)
        return
    counts = zip(
        dataset.classes, train.occurrences(len(dataset.classes)), val.occurrences(len(dataset.classes)), strict=True
    )
    for c, in_train, in_val in counts:
        if not in_train:
            where = f"never occurs in train, but in {in_val} frame(s) of val" if in_val else "never occurs"
            yield Check("warning", c.name, where, _absent_remedy(c.name, dataset, train))
        elif not in_val:
            yield Check(
                "warning", c.name, "never occurs in val", "its IoU cannot be computed; add frames with it to val"
            )
        if 0 < in_train < min(FEW, len(train.frames) / 2):
            found = f"occurs in only {in_train} of {len(train.frames)} train frames"
            yield Check("warning", c.name, found, "label more frames with it")


def _absent_remedy(name: str, dataset: DatasetFolder, train: SplitFacts) -> str:
    if unowned := train.unowned():
        # The usual way to store a binary mask; but here 255 is always ignored.
        return (
            f"masks have 255 in {percentage(unowned)} % of their pixels, which is ignored; if it means {name}: give "
            "that class the color [255, 255, 255] in classes.json, the class of 0 the color [0, 0, 0], and "
            f"`{convert_command(dataset.path)}`"
        )
    return "the network cannot learn it: label frames with it, or remove it from classes.json"


def _image_checks(dataset: DatasetFolder, splits: Mapping[str, SplitFacts]) -> Iterator[Check]:
    """What the image files have and the network does not see, or sees rotated."""
    frames = [f for facts in splits.values() for f in facts.frames]
    part = dataset.path.name or "images"
    if turned := [f for f in frames if f.image.orientation != 1]:
        command = f"{convert_command(dataset.path)} --layout indices --exif"
        yield Check(
            "warning",
            part,
            f"{len(turned)} image(s) have an EXIF orientation and are turned by it: {_names(turned)}",
            f"if the masks were drawn on the pixels as stored, they do not fit: `{command} drop`; else `{command} "
            "keep`",
        )
    if other := [f for f in frames if f.image.mask_orientation not in (1, f.image.orientation)]:
        yield Check(
            "warning",
            part,
            f"{len(other)} mask(s) have an EXIF orientation that their image does not have, and are turned by it: "
            f"{_names(other)}",
            f"if image and mask fit as stored: `{convert_command(dataset.path)} --layout indices --exif drop`",
        )
    if deep := [f for f in frames if f.image.cut]:
        banded = [f for f in deep if f.image.banded]
        levels = sorted((f.image.levels[1], f.image.levels[0]) for f in banded or deep)
        left = f"{levels[0][0]} to {levels[-1][0]}" if levels[0][0] != levels[-1][0] else str(levels[0][0])
        yield Check(
            "wrong" if banded else "warning",
            part,
            f"{len(deep)} image(s) have {max(f.image.bits for f in deep)} bits per channel; without --levels only the "
            f"upper 8 are used, which keep {left} of up to {max(n for _, n in levels)} different values "
            f"({_names(banded or deep)})",
            "train with `--levels auto`, or `--levels LOW:HIGH` for a range of your own",
        )
    if more := [f for f in frames if f.image.channels]:
        yield Check(
            "warning",
            part,
            f"{len(more)} image(s) have {max(f.image.channels for f in more)} channels, of which the last (alpha, or "
            f"a fourth channel such as infrared) is not used: {_names(more)}",
            "nothing is lost if it is transparency; if it is data, train with `--channels 4`",
        )
    if frames and dataset.pixels.channels == 3 and all(f.image.grey for f in frames):
        found = f"all {len(frames)} image(s) are grey: `train --channels 1` makes a network that reads one channel only"
        yield Check("ok", part, found)
    if pages := [f for f in frames if f.image.pages > 1]:
        found = f"{len(pages)} file(s) have several pages or pictures, of which the first is used: {_names(pages)}"
        yield Check("warning", part, found, "save each page as a separate file")


def _names(frames: Sequence[FrameFacts]) -> str:
    return some([f.name for f in frames], _NAMED)


def _copies(splits: Mapping[str, SplitFacts]) -> Iterator[Check]:
    """Frames that are in two splits, or look alike: a network that memorises them gets scores that are too good."""
    for (one, first), (other, second) in combinations(sorted(splits.items()), 2):
        part = f"{one} and {other}"
        places = {f.picture: f.name for f in first.frames}
        if twice := [f"{places[f.picture]} = {f.name}" for f in second.frames if f.picture in places]:
            found = f"{len(twice)} frame(s) are in both: {some(twice, _NAMED)}"
            yield Check(
                "warning", part, found, "scores will be too good; keep them in one split, as `edgeunet data split` does"
            )
        others = [f for f in second.frames if f.picture not in places]
        like = closest([f.likeness for f in first.frames], [f.likeness for f in others])
        if pairs := [f"{first.frames[i].name} ≈ {f.name}" for i, f in zip(like, others, strict=True) if i >= 0]:
            found = f"{len(pairs)} frame(s) of {other} look like one of {one}: {some(pairs, _NAMED)}"
            yield Check("warning", part, found, "scores will be too good: `edgeunet data split` divides by drive")


def _masks(splits: Mapping[str, SplitFacts]) -> Iterator[Check]:
    for split, facts in splits.items():
        if small := [f for f in facts.frames if min(f.size) < SMALL_SIDE]:
            sized = some([f"{f.name} ({size_text(f.size)})" for f in small], _NAMED)
            found = f"{len(small)} frame(s) have a side below {SMALL_SIDE} pixels: {sized}"
            yield Check("warning", split, found, "too few pixels for the four levels of a network; use larger images")
        if mostly := [f.name for f in facts.frames if f.ignored > MOSTLY]:
            found = f"{len(mostly)} mask(s) are ignored in more than half of their pixels: {some(mostly, _NAMED)}"
            yield Check("warning", split, found, "check them; such frames hardly help training")
