"""What a dataset makes hard or impossible to learn, found in its facts; each with the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from edgeunet.data.folder import DatasetFolder, Sample, size_text
from edgeunet.data.layouts import convert_command
from edgeunet.data.pairs import LISTED, grouped
from edgeunet.data.statistics import FrameFacts, SplitFacts
from edgeunet.finding import Finding

FEW = 5  # frames with a class: with fewer it is learnt by heart, not by kind
SMALL_SIDE = 64  # pixels: three halvings leave 8
MOSTLY = 0.5  # of a mask's pixels ignored
_NAMED = 3  # frames named one by one


def findings(dataset: DatasetFolder, splits: Mapping[str, SplitFacts]) -> list[Finding]:
    """Everything to say of a dataset, wrong (to be mended before training) before warnings."""
    found = [*_file_findings(splits), *_split_findings(splits)]
    if splits.keys() >= {"train", "val"} and splits["train"].frames and splits["val"].frames:
        found += _class_findings(dataset, splits["train"], splits["val"])
    found += [*_copies(splits), *_masks(splits)]
    return sorted(found, key=lambda f: f.state != "wrong")


def training_warnings(dataset: DatasetFolder, train: Sequence[Sample], val: Sequence[Sample]) -> list[str]:
    """What to tell whoever trains on these samples, a line each: above all which class cannot be learnt."""
    classes = len(dataset.classes)
    splits = {
        split: SplitFacts(tuple(FrameFacts.of(s, classes) for s in samples))
        for split, samples in (("train", train), ("val", val))
    }
    return [f.text for f in findings(dataset, splits)]


def _file_findings(splits: Mapping[str, SplitFacts]) -> Iterator[Finding]:
    for split, facts in splits.items():
        problems = grouped(facts.problems)
        for problem in problems[:LISTED]:
            yield Finding("wrong", problem.file, problem.what, problem.remedy or "mend or remove it")
        if len(problems) > LISTED:
            yield Finding("wrong", split, f"{len(problems) - LISTED} more files like these", "mend or remove them")


def _split_findings(splits: Mapping[str, SplitFacts]) -> Iterator[Finding]:
    for split in ("train", "val"):
        if split not in splits:
            yield Finding("wrong", split, f"there is no images/{split}", "training needs the splits train and val")
    for split, facts in splits.items():
        if len(facts.frames) == 1:
            yield Finding("warning", split, "has a single frame", _SINGLE.get(split, "add more"))
        if facts.frames and not any(f.pixels.any() for f in facts.frames):
            yield Finding("wrong", split, "every pixel is ignored", "label some, or mend `ignore` in classes.json")


_SINGLE = {
    "train": "the network will learn it by heart; label more",
    "val": "its scores say little about others; label more",
}


def _class_findings(dataset: DatasetFolder, train: SplitFacts, val: SplitFacts) -> Iterator[Finding]:
    counts = zip(
        dataset.classes, train.occurrences(len(dataset.classes)), val.occurrences(len(dataset.classes)), strict=True
    )
    for c, in_train, in_val in counts:
        if not in_train:
            where = f"never occurs in train, but in {in_val} frame(s) of val" if in_val else "never occurs"
            yield Finding("warning", c.name, where, _absent_remedy(dataset, c.color, train))
        elif not in_val:
            yield Finding(
                "warning", c.name, "never occurs in val", "its IoU will not be known; add frames with it to val"
            )
        if 0 < in_train < min(FEW, len(train.frames) / 2):
            found = f"occurs in only {in_train} of {len(train.frames)} train frames"
            yield Finding("warning", c.name, found, "label more frames with it")


def _absent_remedy(dataset: DatasetFolder, color: tuple[int, int, int], train: SplitFacts) -> str:
    if color == (255, 255, 255) and not dataset.ignored and train.ignored():
        # The usual way to store a binary mask, and 255 is what is ignored everywhere.
        return f"masks have 255, which is ignored; if it means this class: {convert_command(dataset.path)}"
    return "the network cannot learn it: label frames with it, or take it out of classes.json"


def _copies(splits: Mapping[str, SplitFacts]) -> Iterator[Finding]:
    """Frames that are in two splits: what is learnt by heart scores well there."""
    for (one, first), (other, second) in combinations(sorted(splits.items()), 2):
        places = {f.picture: f.name for f in first.frames}
        if twice := [f"{places[f.picture]} = {f.name}" for f in second.frames if f.picture in places]:
            found = f"{len(twice)} frame(s) are in both: {_some(twice)}"
            yield Finding("warning", f"{one} and {other}", found, "scores will be too good; take them out of one")


def _masks(splits: Mapping[str, SplitFacts]) -> Iterator[Finding]:
    for split, facts in splits.items():
        if small := [f for f in facts.frames if min(f.size) < SMALL_SIDE]:
            found = f"{len(small)} frame(s) have a side below {SMALL_SIDE} pixels: {_some([_sized(f) for f in small])}"
            yield Finding("warning", split, found, "too few pixels for four levels of a network; use larger ones")
        if mostly := [f.name for f in facts.frames if f.ignored > MOSTLY]:
            found = f"{len(mostly)} mask(s) are ignored to more than half: {_some(mostly)}"
            yield Finding("warning", split, found, "check them; such frames teach little")


def _sized(frame: FrameFacts) -> str:
    return f"{frame.name} ({size_text(frame.size)})"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
