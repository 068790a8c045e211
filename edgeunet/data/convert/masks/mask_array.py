"""Labels that are an array in a .npy file: class numbers, -1 where nothing is labelled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeunet.data.convert.labels.labelled_frame import UNKNOWN, FrameLabels, LabelSizeError
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.errors import ImageError
from edgeunet.spec import IGNORE


@dataclass(frozen=True)
class MaskArray:
    """An array [h, w] of whole numbers, and the table of what they mean; the table is of numbers."""

    path: Path
    table: MaskTable

    def read(self, size: tuple[int, int], *, turn: bool) -> FrameLabels:
        try:
            array = np.load(
                self.path, mmap_mode="r", allow_pickle=False
            )  # a false size is found before memory is taken
        except (OSError, ValueError, EOFError) as error:
            raise ImageError("is not an array of NumPy (.npy) that can be read") from error
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iu":
            raise ImageError("is not an array of whole numbers with two dimensions")
        if array.shape != size:
            raise LabelSizeError((array.shape[0], array.shape[1]), size)
        numbers = np.where(array == -1, IGNORE, array)
        inside = (numbers >= 0) & (numbers <= IGNORE)
        indices = np.where(inside, self.table.indices[np.where(inside, numbers, 0).astype(np.uint8)], UNKNOWN)
        found, counts = np.unique(numbers[indices == UNKNOWN], return_counts=True)
        unknown = Counter({str(value): count for value, count in zip(found.tolist(), counts.tolist(), strict=True)})
        return FrameLabels(indices.astype(np.int16), unknown, "value")
