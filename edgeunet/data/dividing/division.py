"""Frames into train and val: whole drives where there are enough of them, else blocks of neighbours in time.

Never at random: neighbouring frames of a video, or sections of a stack, are nearly the same picture. Drawn at random,
each val frame would have near copies in train, and the score would measure memory.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.dividing.drives import Drive, drives_of
from edgeunet.data.facts.likeness import Likeness, groups_alike
from edgeunet.errors import UsageError
from edgeunet.utils.formatting import percentage, some

VAL_SHARE = 0.2
_ALL_CHOICES = 12  # drives of which every choice is tried
_DRAWS = 64  # choices of more drives
_FAR = 2.0  # times larger or smaller than wanted: then drives are cut
_BLOCK = 10  # frames that a block has at least
_BLOCKS = 5
_NAMED = 5


@dataclass(frozen=True)
class Division:
    """Names of frames. said: a line about what was divided how."""

    train: frozenset[str]
    val: frozenset[str]
    said: str


@dataclass(frozen=True)
class _Unit:
    """What stays together."""

    label: str
    frames: tuple[str, ...]


def divide(
    names: Sequence[str],
    val_share: float = VAL_SHARE,
    *,
    hashes: Sequence[Likeness] | None = None,
    classes: Sequence[NDArray[np.bool_]] | None = None,
    pattern: re.Pattern[str] | None = None,
) -> Division:
    """Divide frames into train and val.

    val_share: of the frames, above 0 and below 1. hashes: of each frame's picture, so that those that look alike stay
    together. classes: for each frame which classes occur in it, so that each is in both splits where that is possible.
    pattern: see drives_of(). Raises UsageError if the share leaves no frame for train or val.
    """
    wanted = round(val_share * len(names))
    if not 0 < wanted < len(names):
        raise UsageError(f"--val-share {val_share:g} of {len(names)} frames leaves none for train or val")
    drives = drives_of(names, pattern)
    groups = {} if hashes is None else dict(zip(names, groups_alike(hashes).tolist(), strict=True))
    known = {} if classes is None else dict(zip(names, classes, strict=True))
    units = _joined(drives, groups)
    chosen = _choose(units, wanted, known)
    if chosen:
        val = frozenset(name for unit in chosen for name in unit.frames)
        which = (
            f"{some([u.label for u in chosen], _NAMED)}, {len(val)} frames" if _tell(drives) else f"{len(val)} of them"
        )
        notes = [_said(drives), f"val: {which}"]
        if len(units) < len(drives) and _tell(drives):
            notes.append(f"{len(drives) - len(units)} drive(s) are joined to another, since frames of both look alike")
        if alike := _in_groups(groups):
            notes.append(f"{alike} frames that look alike are kept together")
    else:
        order = [name for unit in units for name in unit.frames]
        val, blocks = _blocks(order, wanted, groups)
        why = f", as no choice of whole drives is near {percentage(val_share)} %" if len(drives) > 1 else ""
        notes = [_said(drives), f"val: {blocks} block(s) of neighbours, {len(val)} frames{why}"]
        shown = {groups[name] for name in val if name in groups}
        if parted := sum(group in shown for name, group in groups.items() if name not in val):
            notes.append(f"{parted} frames of train look like one of val: scores will be somewhat too good")
    return Division(frozenset(names) - val, val, "; ".join(notes))


def _joined(drives: Sequence[Drive], groups: Mapping[str, int]) -> list[_Unit]:
    """The drives, those with frames that look alike joined."""
    home = list(range(len(drives)))

    def root(i: int) -> int:
        while home[i] != i:
            i = home[i]
        return i

    first: dict[int, int] = {}
    for i, drive in enumerate(drives):
        for name in drive.frames:
            if name in groups and (other := first.setdefault(groups[name], i)) != i:
                one, two = sorted((root(other), root(i)))
                home[two] = one
    together: dict[int, list[Drive]] = defaultdict(list)
    for i, drive in enumerate(drives):
        together[root(i)].append(drive)
    return [
        _Unit(some([d.label for d in parts], 2), tuple(n for d in parts for n in d.frames))
        for parts in together.values()
    ]


def _choose(units: Sequence[_Unit], wanted: int, known: Mapping[str, NDArray[np.bool_]]) -> list[_Unit]:
    """The units for val: every class in both splits first, then the number of frames, then many of them; [] if none."""
    sizes = [len(u.frames) for u in units]
    total = sum(sizes)
    have = np.array([np.sum([known[n] for n in u.frames], axis=0) > 0 for u in units]) if known else None

    def cost(choice: tuple[int, ...]) -> tuple[int, int, int]:
        lacking = 0
        if have is not None:
            rest = np.delete(have, choice, axis=0)
            lacking = int(np.count_nonzero(have.any(0) & ~(have[list(choice)].any(0) & rest.any(0))))
        frames = sum(sizes[i] for i in choice)
        return lacking, round(10 * abs(frames / wanted - 1)), -len(choice)

    def fits(choice: tuple[int, ...]) -> bool:
        frames = sum(sizes[i] for i in choice)
        return wanted / _FAR <= frames <= _FAR * wanted and frames < total

    best = min(filter(fits, _choices(sizes, wanted)), key=cost, default=())
    return [units[i] for i in best]


def _choices(sizes: Sequence[int], wanted: int) -> Iterator[tuple[int, ...]]:
    """All choices of a few units; of many, some draws, always the same."""
    if len(sizes) <= _ALL_CHOICES:
        for count in range(1, len(sizes)):
            yield from combinations(range(len(sizes)), count)
        return
    rng = np.random.default_rng(0)
    for _ in range(_DRAWS):
        choice: list[int] = []
        frames = 0
        for i in rng.permutation(len(sizes)).tolist():
            if frames + sizes[i] <= wanted or not choice:
                choice.append(i)
                frames += sizes[i]
        yield tuple(sorted(choice))


def _blocks(names: Sequence[str], wanted: int, groups: Mapping[str, int]) -> tuple[frozenset[str], int]:
    """A few blocks of neighbours, and how many. A block has neighbours in train only at its two ends, and these move to
    where the picture changes; several blocks show more places than a single one."""
    blocks = min(_BLOCKS, max(1, wanted // _BLOCK))
    # The last frames of each of `blocks` stretches.
    ends = np.linspace(0, len(names), blocks + 1).round().astype(int)[1:]
    sizes = np.diff(np.linspace(0, wanted, blocks + 1).round().astype(int))
    val: set[str] = set()
    for end, size in zip(ends.tolist(), sizes.tolist(), strict=True):
        first, last = (_change(names, at, size // 2, groups) for at in (end - size, end))
        val |= set(names[first:last] if 0 < last - first < len(names) else names[end - size : end])
    return frozenset(val), blocks


def _change(names: Sequence[str], at: int, reach: int, groups: Mapping[str, int]) -> int:
    """The place nearest to `at` where the frame before and the one after do not look alike; `at` if none is near."""
    for step in range(reach + 1 if groups else 0):
        for place in (at - step, at + step):
            if 0 < place < len(names) and groups[names[place - 1]] != groups[names[place]]:
                return place
            if place == len(names):
                return place
    return at


def _in_groups(groups: Mapping[str, int]) -> int:
    """Frames that look like another one."""
    counts = np.unique(list(groups.values()), return_counts=True)[1] if groups else np.zeros(0, np.int64)
    return int(counts[counts > 1].sum())


def _tell(drives: Sequence[Drive]) -> bool:
    """Whether names tell drives: those of random letters and digits may seem to belong together by chance."""
    return sum(len(d.frames) for d in drives if len(d.frames) > 1) >= sum(len(d.frames) == 1 for d in drives)


def _said(drives: Sequence[Drive]) -> str:
    """ "3 drives by their names: a (62), b (101), c (305)"."""
    if len(drives) == 1:
        return "one drive by its names"
    if not _tell(drives):
        return f"{sum(len(d.frames) for d in drives)} frames whose names tell no drives"
    return f"{len(drives)} drives by their names: {some([f'{d.label} ({len(d.frames)})' for d in drives], _NAMED)}"
