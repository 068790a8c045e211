"""The labelled frames that show how a network has to be fed, each read when it is needed."""

from __future__ import annotations

from dataclasses import replace

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import PairedSamples
from edgeunet.data.statistics import NEEDED
from edgeunet.errors import DatasetError
from edgeunet.spec import PixelFormat
from edgeunet.utils.formatting import count


class LabelledFrames(PairedSamples):
    """Of a split, and of train and val: a network that was trained on them shows there how it was fed.

    splits: those that have labels. Raises DatasetError for a folder without splits.
    """

    def __init__(self, dataset: DatasetFolder, split: str, pixels: PixelFormat) -> None:
        if not dataset.splits():
            raise DatasetError(f"{dataset.path} {dataset.without_splits}")
        have = dict.fromkeys((split, *NEEDED))
        self.splits = [s for s in have if s in dataset.splits() and (dataset.path / "masks" / s).is_dir()]
        pairs = [pair for s in self.splits for pair in dataset.paired(s).pairs.values()]
        super().__init__(replace(dataset, pixels=pixels), pairs)

    def __str__(self) -> str:
        """For people: "120 labelled frames of val and train"."""
        return f"{count(len(self))} labelled frame{'' if len(self) == 1 else 's'} of {' and '.join(self.splits)}"
