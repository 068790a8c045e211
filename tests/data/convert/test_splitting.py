"""Dividing frames into train and val."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from edgeunet.data.convert.splitting import by_lists, divide
from edgeunet.data.pairs import ImageMaskPair
from edgeunet.errors import DatasetError, UsageError


def frames(count: int) -> dict[str, ImageMaskPair]:
    return {f"{k:04}": ImageMaskPair(Path(f"{k}.png"), Path(f"{k}.png")) for k in reversed(range(count))}


@pytest.mark.parametrize(("count", "share", "blocks"), [(30, 0.2, 1), (5, 0.2, 1), (701, 0.2, 5), (100, 0.25, 2)])
def test_val_is_a_few_blocks_of_neighbours(count: int, share: float, blocks: int) -> None:
    splits = divide(frames(count), share)
    assert len(splits["val"]) == round(share * count)
    assert sorted([*splits["train"], *splits["val"]]) == sorted(frames(count))
    numbers = sorted(map(int, splits["val"]))
    assert 1 + sum(b - a > 1 for a, b in pairwise(numbers)) == blocks
    assert numbers[-1] == count - 1
    # Every block but for its two ends has only neighbours of its own.
    beside = sum(f"{n + step:04}" in splits["train"] for n in numbers for step in (-1, 1))
    assert beside == 2 * blocks - 1


def test_a_share_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--val-share 0.2 of 2 frames leaves none for train or val"):
        divide(frames(2), 0.2)


def test_lists_name_frames_in_the_usual_ways(tmp_path: Path) -> None:
    pairs = {name: ImageMaskPair(Path(name), Path(name)) for name in ("a", "b", "two words", "v1.5")}
    (tmp_path / "train.txt").write_text("a\n\n/data/two words.png\n")
    (tmp_path / "val.txt").write_text("images/b.jpg masks/b.png\nv1.5\n")
    splits = by_lists(pairs, {"train": tmp_path / "train.txt", "val": tmp_path / "val.txt"})
    assert {split: list(found) for split, found in splits.items()} == {
        "train": ["a", "two words"],
        "val": ["b", "v1.5"],
    }


def test_lists_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("0001\n0002\n")
    other.write_text("0002\n")
    with pytest.raises(DatasetError, match="0002 is listed for train and for val"):
        by_lists(frames(4), {"train": one, "val": other})
    other.write_text("9999\n")
    with pytest.raises(DatasetError, match=r"other.txt names '9999', which the source does not have"):
        by_lists(frames(4), {"train": one, "val": other})
    other.write_text("\n")
    with pytest.raises(DatasetError, match=r"other.txt names no frame"):
        by_lists(frames(4), {"train": one, "val": other})
