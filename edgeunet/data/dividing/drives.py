"""Which frames are of one drive: guessed from their names, which have a running number, a time, or both."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import quantiles

from edgeunet.errors import UsageError

_EXPORTED = re.compile(r"[_.](?:jpe?g|png|bmp|tiff?|webp)\.rf\.\w+$", re.IGNORECASE)  # Roboflow's ending of a name
_TIME = re.compile(  # 2018-06-15--15-57-15, 20180615_155715
    r"(?<!\d)((?:19|20)\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_. tT]{0,2}"
    r"([0-2]\d)[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?!\d{4})"
)
_PAUSE = 300.0  # seconds without a frame: another drive
_GAP = 10  # times the larger steps of the running number
_LABEL = 40  # characters


@dataclass(frozen=True)
class Drive:
    """Frames that follow each other in time: a drive, a video, a stack of sections. label: for messages."""

    label: str
    frames: tuple[str, ...]  # names, in the order of time


def drives_of(names: Sequence[str], pattern: re.Pattern[str] | None = None) -> list[Drive]:
    """Divide frames by drive; names that say nothing give a drive for each frame.

    Frames are of one drive if their names differ in the running number at the end only and it has no large gap, or, if
    all names have a time of day, if no more than five minutes lie between them. pattern: finds the part of a name that
    names its drive, instead of guessing. Raises UsageError for one that no name has.
    """
    if pattern is not None:
        groups: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names, key=_numbers_of):
            found = pattern.search(name)
            groups[(found.group(found.lastindex or 0) or "") if found else ""].append(name)
        if names and not any(groups):
            raise UsageError(f"--drive {pattern.pattern!r} finds nothing in the names, such as {names[0]!r}")
        return [Drive(key or "the others", tuple(group)) for key, group in sorted(groups.items())]
    times = {name: time for name in names if (time := _time_of(name)) is not None}
    if len(times) == len(names):
        runs = list(_cut(sorted(names, key=lambda n: (times[n], _numbers_of(n))), times, _PAUSE))
    else:
        runs = [run for group in _series(names) for run in _by_gaps(group)]
    runs.sort(key=lambda run: _numbers_of(run[0]))
    labels = [_label(run) for run in runs]
    of = {label: labels.count(label) for label in set(labels)}
    return [Drive(_ends(r) if of[label] > 1 else label, tuple(r)) for r, label in zip(runs, labels, strict=True)]


def _series(names: Sequence[str]) -> Iterator[list[str]]:
    """Names that differ in their last numbers only, each group in the order of these numbers."""
    shapes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        shapes[tuple(re.split(r"\d+", _EXPORTED.sub("", name)))].append(name)
    for shape, group in shapes.items():
        # A last number that differs in every name, with others before it that do too, counts nothing on its own.
        for fixed in range(max(0, len(shape) - 2), -1, -1):
            series: dict[tuple[int, ...], list[str]] = defaultdict(list)
            for name in group:
                series[_counts(name)[:fixed]].append(name)
            if 2 * len(series) <= len(group) or fixed == 0:
                break
        for one in series.values():
            yield sorted(one, key=lambda name: (_counts(name), name))


def _by_gaps(names: list[str]) -> Iterator[list[str]]:
    """Cut a series where its running number jumps; one that several numbers count is whole."""
    counts = {name: _counts(name) for name in names}
    columns = [column for column in zip(*counts.values(), strict=True) if len(set(column)) > 1]
    if len(columns) != 1 or len(names) < 4:
        yield names
        return
    number = dict(zip(names, columns[0], strict=True))
    steps = quantiles((number[b] - number[a] for a, b in pairwise(names)), n=10, method="inclusive")
    yield from _cut(names, number, _GAP * max(1, steps[-1]))


def _cut(names: Sequence[str], at: Mapping[str, float], most: float) -> Iterator[list[str]]:
    """Cut names, in the order of `at`, where the step to the next is larger than `most`."""
    run = list(names[:1])
    for before, name in pairwise(names):
        if at[name] - at[before] > most:
            yield run
            run = []
        run.append(name)
    if run:
        yield run


def _time_of(name: str) -> float | None:
    """Seconds, from the date and the time of day in a name; None if there is none."""
    found = _TIME.search(name)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        time = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return (time - datetime(2000, 1, 1)).total_seconds()


def _counts(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", _EXPORTED.sub("", name))))


def _numbers_of(name: str) -> list[tuple[int, str]]:
    """A key to sort names by: 9 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _label(names: Sequence[str]) -> str:
    """What the names have in common, or the first and the last."""
    low, high = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    common = low[:same] if len(names) == 1 else re.sub(r"[\W_]*\d*$", "", low[:same])
    return _short(common, _LABEL) or _ends(names)


def _ends(names: Sequence[str]) -> str:
    return f"{_short(names[0], _LABEL // 2)} to {_short(names[-1], _LABEL // 2)}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
