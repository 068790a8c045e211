"""Masks that lie beside their objects are found, others are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.facts.grey import grey_of
from edgeunet.data.facts.mask_edges import EdgeShift, edge_scores, edge_shift
from edgeunet.data.loading import load_split
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import DATASET
from tests.datasets import draw

Change = Callable[[UInt8], UInt8]


def frames_of(kind: str) -> list[tuple[UInt8, UInt8]]:
    if kind == "drawn":
        return [draw(k, size=(64, 96)) for k in range(16)]
    dataset = DatasetFolder.open(DATASET)
    samples: list[Sample] = [s for split in ("train", "val") for s in load_split(dataset, split)]
    return [(s.frame, s.mask) for s in samples]


def shift_of(frames: list[tuple[UInt8, UInt8]], right: int = 0, down: int = 0) -> EdgeShift | None:
    moved = [edge_scores(grey_of(frame), np.roll(mask, (down, right), (0, 1))) for frame, mask in frames]
    return edge_shift([scores for scores in moved if scores is not None])


@pytest.mark.parametrize("kind", ["drawn", "photos"])
def test_masks_on_their_objects_are_not_shifted(kind: str) -> None:
    assert shift_of(frames_of(kind)) is None


@pytest.mark.parametrize("kind", ["drawn", "photos"])
@pytest.mark.parametrize(("right", "down"), [(1, 0), (-1, 0), (0, 1), (0, -1), (2, -1)])
def test_a_shift_is_found_with_its_direction(kind: str, right: int, down: int) -> None:
    found = shift_of(frames_of(kind), right, down)
    assert found is not None
    assert (found.right, found.down) == (right, down)
    assert found.share > 0.8


def test_a_few_frames_say_nothing() -> None:
    assert shift_of(frames_of("drawn")[:9], right=1) is None


def test_a_mask_without_edges_and_an_image_without_edges_have_no_scores() -> None:
    frame, mask = draw(0, size=(64, 96))
    assert edge_scores(grey_of(frame), np.zeros_like(mask)) is None
    assert edge_scores(np.zeros_like(mask), mask) is None
    assert edge_scores(np.zeros((3, 3), np.uint8), np.eye(3, dtype=np.uint8)) is None, "smaller than the reach"
    ignored = np.where(mask == 0, 255, mask).astype(np.uint8)
    assert edge_scores(grey_of(frame), ignored) is None, "the edge of what is ignored is no edge"
