"""Whole drives go to val if that gives about the share, else blocks of neighbours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgeunet.data.dividing.division import divide
from edgeunet.data.facts.likeness import Likeness, plain
from edgeunet.errors import UsageError


def video(name: str, frames: int) -> list[str]:
    return [f"{name}_{k:04}" for k in range(frames)]


def pictures(groups: list[int]) -> list[Likeness]:
    """Hashes that are alike in a group, and in no other."""
    rng = {g: np.random.default_rng(g).choice(np.array([-1, 1], np.int8), 256) for g in set(groups)}
    return [rng[g] for g in groups]


def test_whole_drives_become_val() -> None:
    names = [*video("a", 30), *video("b", 60), *video("c", 100)]
    division = divide(names, 0.2)
    assert division.val == frozenset(video("a", 30))
    assert division.train | division.val == set(names)
    assert division.said == "3 drives by their names: a (30), b (60), c (100); val: a, 30 frames"


def test_many_drives_give_the_share_that_is_wanted() -> None:
    names = [name for d in range(50) for name in video(f"d{d:02}", 4 + d % 5)]
    division = divide(names, 0.25)
    assert abs(len(division.val) / len(names) - 0.25) < 0.03
    assert all(len({n in division.val for n in names if n.startswith(f"d{d:02}")}) == 1 for d in range(50))
    assert divide(names[::-1], 0.25).val == division.val, "the same dataset, the same division"


def test_frames_that_look_alike_stay_together() -> None:
    names = [f"{letter}{letter}" for letter in "abcdefghijkl"]
    groups = [0, 1, 0, 2, 3, 0, 4, 5, 6, 7, 8, 9]
    division = divide(names, 0.25, hashes=pictures(groups))
    alike = {names[i] for i, g in enumerate(groups) if g == 0}
    assert alike <= division.val or not alike & division.val
    assert division.said.startswith("12 frames whose names tell no drives; val: 3 of them; ")
    assert division.said.endswith("; 3 frames that look alike are kept together")


def test_drives_with_frames_that_look_alike_are_joined() -> None:
    names = [*video("a", 10), *video("b", 10), *video("c", 10), *video("d", 20)]
    groups = [*range(29), 0, *range(100, 120)]  # the last of c is the first of a
    division = divide(names, 0.4, hashes=pictures(groups))
    assert {"a_0000", "c_0009"} <= division.val or not {"a_0000", "c_0009"} & division.val
    assert "1 drive(s) are joined to another, since frames of both look alike" in division.said


def test_each_class_is_in_both_splits_where_drives_allow_it() -> None:
    names = [name for d in "abcdef" for name in video(d, 10)]
    rare = [np.array([True, name[0] in "cf"]) for name in names]
    division = divide(names, 1 / 6, classes=rare)
    assert {name[0] for name in division.val} in ({"c"}, {"f"})


@pytest.mark.parametrize(("count", "share", "blocks"), [(30, 0.2, 1), (5, 0.2, 1), (701, 0.2, 5), (100, 0.25, 2)])
def test_of_one_drive_val_is_a_few_blocks_of_neighbours(count: int, share: float, blocks: int) -> None:
    names = [f"{k:04}" for k in range(count)]
    division = divide(names, share)
    assert len(division.val) == round(share * count)
    numbers = sorted(map(int, division.val))
    assert 1 + sum(b - a > 1 for a, b in pairwise(numbers)) == blocks
    assert numbers[-1] == count - 1
    # Every block but for its two ends has only neighbours of its own.
    beside = sum(f"{n + step:04}" in division.train for n in numbers for step in (-1, 1))
    assert beside == 2 * blocks - 1
    said = f"one drive by its names; val: {blocks} block(s) of neighbours, {len(numbers)} frames"
    assert division.said == said


def test_blocks_end_where_the_picture_changes() -> None:
    names = [f"{k:04}" for k in range(100)]
    groups = [k // 7 for k in range(100)]  # the car stands for seven frames
    division = divide(names, 0.2, hashes=pictures([*groups[:97], 0, 0, 0]))  # the end is the beginning: one unit
    assert len({groups[int(n)] for n in division.val} & {groups[int(n)] for n in division.train}) <= 1
    still = divide(names, 0.2, hashes=pictures([0] * 100))
    assert len(still.val) == 20
    assert still.said.endswith("; 80 frames of train look like one of val: scores will be somewhat too good")


def test_plain_pictures_are_not_alike() -> None:
    division = divide(["a", "b", "c", "d"], 0.5, hashes=[plain()] * 4)
    assert len(division.val) == 2
    assert "alike" not in division.said


def test_a_share_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--val-share 0.2 of 2 frames leaves none for train or val"):
        divide(["a", "b"], 0.2)


def test_random_names_tell_no_drives() -> None:
    rng = np.random.default_rng(0)
    names = [f"{rng.integers(1 << 60):x}" for _ in range(200)]
    division = divide(names, 0.2)
    assert division.said.startswith("200 frames whose names tell no drives; val: ")
    assert abs(len(division.val) - 40) < 5


def test_blocks_of_several_drives_are_explained() -> None:
    said = divide([f"{drive}_{k:04}" for drive in "ab" for k in range(50)], 0.2).said
    assert said.endswith("as no choice of whole drives is near 20.0 %")
