"""How well the confidence of masks matches how often they are right."""

from __future__ import annotations

import numpy as np

from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE

BINS = 15


class Reliability:
    """Counts pixels by their confidence, and those that are right. counts: int64 [256, 2], wrong and right."""

    def __init__(self) -> None:
        self.counts = np.zeros((256, 2), np.int64)

    def add(self, label: UInt8, mask: UInt8, confidence: UInt8) -> None:
        """Add one frame: three uint8 arrays [h, w]. Pixels labelled IGNORE do not count."""
        counted = label != IGNORE
        right = mask[counted] == label[counted]
        index = 2 * confidence[counted].astype(np.intp) + right
        self.counts += np.bincount(index, minlength=512).reshape(256, 2)

    @property
    def error(self) -> float:
        """The expected calibration error, 0 to 1; NaN without a labelled pixel.

        Over BINS bins of equal width, the mean difference of confidence and share of right pixels, weighted by pixels:
        Guo et al., ICML 2017 (arXiv:1706.04599), equation 3.
        """
        levels = np.arange(256) / 255
        bins = np.minimum((levels * BINS).astype(int), BINS - 1)
        pixels = self.counts.sum(1)
        if not pixels.any():
            return float("nan")
        gaps = np.bincount(bins, self.counts[:, 1] - levels * pixels, BINS)
        return float(np.abs(gaps).sum() / pixels.sum())
