"""The labelled frames that show how a network has to be fed, each read when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.pairs import Problem
from edgeunet.data.statistics import NEEDED
from edgeunet.errors import DatasetError
from edgeunet.spec import PixelFormat
from edgeunet.utils.formatting import count


class LabelledFrames(Sequence[Sample]):
    """Of a split, and of train and val: a network that was trained on them shows there how it was fed.

    splits: those that have labels. Raises DatasetError for a folder without splits; so does an item whose files cannot
    be read.
    """

    def __init__(self, dataset: DatasetFolder, split: str, pixels: PixelFormat) -> None:
        if not dataset.splits():
            raise DatasetError(f"{dataset.path} {dataset.without_splits}")
        self._dataset = replace(dataset, pixels=pixels)
        have = dict.fromkeys((split, *NEEDED))
        self.splits = [s for s in have if s in dataset.splits() and (dataset.path / "masks" / s).is_dir()]
        self._pairs = [pair for s in self.splits for pair in dataset.paired(s).pairs.values()]

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        sample = self._dataset.read(self._pairs[index])
        if isinstance(sample, Problem):
            raise DatasetError(f"{self._dataset.path}: {sample}")
        return sample

    def __str__(self) -> str:
        """For people: "120 labelled frames of val and train"."""
        return f"{count(len(self))} labelled frame{'' if len(self) == 1 else 's'} of {' and '.join(self.splits)}"
