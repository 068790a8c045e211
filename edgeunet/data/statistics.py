"""What a dataset folder holds: frames, sizes, and how many pixels each class has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.data.folder import DatasetFolder
from edgeunet.errors import DatasetError


def statistics(path: str | Path) -> dict[str, Any]:
    """Check every file of every split and count.

    For each split: the number of frames, frames of each size ("640x480": 12), the share of the counted
    pixels that each class has, and the share of all pixels that are ignored, both 0 to 1.
    Raises DatasetError that lists what is wrong with the files.
    """
    dataset = DatasetFolder.open(path)
    if not dataset.splits():
        raise DatasetError(f"{path} has no images/<split> folder")
    return {"dataset": str(path), "splits": {split: _count(dataset, split) for split in dataset.splits()}}


def _count(dataset: DatasetFolder, split: str) -> dict[str, Any]:
    samples = dataset.load(split)
    pixels = np.zeros(256, np.int64)
    sizes: Counter[str] = Counter()
    for sample in samples:
        pixels += np.bincount(sample.mask.ravel(), minlength=256)
        sizes[f"{sample.mask.shape[1]}x{sample.mask.shape[0]}"] += 1
    counted = pixels[: len(dataset.names)]
    shares = counted / max(1, counted.sum())
    return {
        "frames": len(samples),
        "sizes": dict(sizes.most_common()),
        "classes": {name: float(share) for name, share in zip(dataset.names, shares, strict=True)},
        "ignored": float(1 - counted.sum() / pixels.sum()),
    }
