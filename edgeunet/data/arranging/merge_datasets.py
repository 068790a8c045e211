"""Several dataset folders put into one: classes matched by name, splits kept."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgeunet.data.classes import CLASSES_FILE, ClassEntry, ClassList, Color, read_classes, spellings
from edgeunet.data.convert.distinct_colors import colors_beside
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.pairs import ImageMaskPair, Problem, listed
from edgeunet.data.statistics import NEEDED
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE
from edgeunet.utils import console
from edgeunet.utils.files import require_distinct
from edgeunet.utils.folders import replacing_folder, require_apart, require_folder_writable
from edgeunet.utils.formatting import some

_NAMED = 5


class MergeResult(NamedTuple):
    """frames: of each split. notes: lines about classes that only some of the datasets have, and about new names."""

    frames: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """One of the datasets. label: a name that no other has. table: uint8 (256,), the new value of each mask value."""

    dataset: DatasetFolder
    label: str
    table: UInt8


class _Frame(NamedTuple):
    """One frame, and where it goes. mask: None in a split that needs none."""

    source: _Source
    split: str
    stem: str
    image: Path
    mask: Path | None


def merge_datasets(paths: Sequence[Path], target: Path, *, force: bool) -> MergeResult:
    """Write the frames of several dataset folders to a new one; nothing in them is touched.

    Classes of exactly the same name are one; what is ignored stays ignored. Two frames of one name in a split get the
    name of their folder before it. Raises DatasetError that lists all files that are damaged, UsageError, or
    OutputError if `target` exists and `force` may not replace it; nothing is written then.
    """
    if len(paths) < 2:
        raise UsageError("a merge needs at least two dataset folders")
    if twice := [path for path, count in Counter(p.resolve() for p in paths).items() if count > 1]:
        raise UsageError(f"{twice[0]} is given twice: give each dataset once")
    for path in paths:
        require_apart(path, target)
    require_distinct({"--output": target}, {"DATA": list(paths)}, replaced=[target])
    require_folder_writable(target, force=force)
    datasets = [DatasetFolder.open(path) for path in paths]
    lists = [read_classes(dataset.path / CLASSES_FILE) for dataset in datasets]
    classes = _merged(lists, target)
    sources = [
        _Source(dataset, label, _table(own, classes))
        for dataset, label, own in zip(datasets, _labels(paths), lists, strict=True)
    ]
    frames = [frame for source in sources for frame in _frames_of(source)]
    named = _named(frames)
    with replacing_folder(target, force=force) as temporary:
        for split in dict.fromkeys(frame.split for frame in frames):
            for kind in ("images", "masks"):
                (temporary / kind / split).mkdir(parents=True)
        _write(frames, named, temporary)
        (temporary / CLASSES_FILE).write_text(classes.to_json(target.resolve().name), encoding="utf-8")
    count = Counter(frame.split for frame in frames)
    splits = sorted(count, key=lambda split: (split not in NEEDED, split))
    renamed = sum(name != frame.stem for name, frame in zip(named, frames, strict=True))
    notes = [*_notes(sources, lists)]
    if renamed:
        notes.append(f"{renamed} frame(s) had the name of another, and now begin with the name of their dataset")
    return MergeResult({split: count[split] for split in splits}, tuple(notes))


def _merged(lists: Sequence[ClassList], target: Path) -> ClassList:
    """All classes in the order in which they first come, each in its first colour if no other has it."""
    colors: dict[str, Color] = {}
    for own in lists:
        for c in own.classes:
            colors.setdefault(c.name, c.color)
    taken: set[Color] = set()
    free = colors_beside(set(colors.values()))
    entries = []
    for index, (name, color) in enumerate(colors.items()):
        entries.append(ClassEntry(index, name, next(free) if color in taken else color))
        taken.add(color)
    ignored = dict.fromkeys(e.name for own in lists for e in own.entries if e.ignore)
    if ignored:
        entries.append(ClassEntry(IGNORE, ", ".join(ignored), None, ignore=True))
    return ClassList(tuple(entries), f"the classes of {target}")


def _table(own: ClassList, merged: ClassList) -> UInt8:
    index = {e.name: e.index for e in merged.entries if not e.ignore}
    table = np.full(256, IGNORE, np.uint8)
    for number, c in enumerate(own.classes):
        table[number] = index[c.name]
    return table


def _labels(paths: Sequence[Path]) -> list[str]:
    """The names of the folders, with the names of those above them until no two are the same."""
    whole = [path.resolve().parts for path in paths]
    for depth in range(1, max(map(len, whole)) + 1):
        labels = ["_".join(parts[-depth:]).strip("/") for parts in whole]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{number}_{parts[-1]}" for number, parts in enumerate(whole)]


def _frames_of(source: _Source) -> Iterator[_Frame]:
    """Every labelled frame, and the images of splits that have no masks at all. Raises DatasetError for files without
    their counterpart."""
    dataset = source.dataset
    if not dataset.splits():
        raise DatasetError(f"{dataset.path} {dataset.without_splits}")
    for split in dataset.splits():
        paired = dataset.paired(split)
        pairs, problems = dataset.pairs(split)
        if split not in NEEDED and not pairs and not paired.orphans and not paired.twice:
            yield from (_Frame(source, split, image.stem, image, None) for image in paired.unlabelled)
            continue
        _require_none(dataset.path, problems)
        yield from (_Frame(source, split, pair.image.stem, pair.image, pair.mask) for pair in pairs)


def _named(frames: Sequence[_Frame]) -> list[str]:
    """A name for each frame that no other frame of its split has, whatever the case of its letters."""
    count = Counter((frame.split, frame.stem.lower()) for frame in frames)
    taken = {key for key, times in count.items() if times == 1}
    names = []
    for frame in frames:
        name = frame.stem
        if count[frame.split, name.lower()] > 1:
            name = f"{frame.source.label}_{name}"
            while (frame.split, name.lower()) in taken:
                name += "_"
            taken.add((frame.split, name.lower()))
        names.append(name)
    return names


def _write(frames: Sequence[_Frame], names: Sequence[str], target: Path) -> None:
    problems: dict[Path, list[Problem]] = defaultdict(list)
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda frame, name: _write_frame(frame, name, target), frames, names)
        for frame, problem in zip(frames, bar.track(results, total=len(frames), description="merging"), strict=True):
            if problem is not None:
                problems[frame.source.dataset.path].append(problem)
    for path, found in problems.items():
        _require_none(path, found)


def _write_frame(frame: _Frame, name: str, target: Path) -> Problem | None:
    # Copied, not linked: a change of the copy must not reach the source.
    shutil.copyfile(frame.image, target / "images" / frame.split / f"{name}{frame.image.suffix}")
    if frame.mask is None:
        return None
    sample = frame.source.dataset.read(ImageMaskPair(frame.image, frame.mask))
    if isinstance(sample, Problem):
        return sample
    mask = cv2.imencode(".png", frame.source.table[sample.mask])[1]
    (target / "masks" / frame.split / f"{name}.png").write_bytes(mask.tobytes())
    return None


def _notes(sources: Sequence[_Source], lists: Sequence[ClassList]) -> Iterator[str]:
    labels = [source.label for source in sources]
    trained = [set(_names_in(own)) for own in lists]
    ignored = [{e.name for e in own.entries if e.ignore} for own in lists]
    only: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in dict.fromkeys(name for own in lists for name in _names_in(own)):
        having = [label for label, names in zip(labels, trained, strict=True) if name in names]
        hidden = [label for label, names in zip(labels, ignored, strict=True) if name in names]
        if hidden:
            yield f"{name} is ignored in {some(hidden, _NAMED)} and a class of {some(having, _NAMED)}: both stay so"
        if lacking := [label for label in labels if label not in (*having, *hidden)]:
            only[some(having, _NAMED), some(lacking, _NAMED)].append(name)
    for (there, elsewhere), names in only.items():
        found = f"only in {there}: {some(names, _NAMED)}"
        yield f"{found}; where frames of {elsewhere} show it, it is labelled as something else"
    for group in spellings(name for own in lists for name in _names_in(own)):
        same = "if they mean the same, give them one name in classes.json"
        yield f"{' and '.join(group)} stay separate classes: {same}"


def _names_in(own: ClassList) -> list[str]:
    return [c.name for c in own.classes]


def _require_none(path: Path, problems: Sequence[Problem]) -> None:
    if problems:
        raise DatasetError(f"{path} has {len(problems)} problem(s), fix these files:{listed(problems)}")
