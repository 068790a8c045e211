"""How far the masks of a model file can be trusted: what its confidence and its familiarity were measured to mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeunet.errors import UsageError


@dataclass(frozen=True)
class Trust:
    """Of a file with the outputs `confidence` and `familiarity`, measured on frames that were kept for it.

    temperature: what the logits are divided by before the softmax (Guo et al., "On Calibration of Modern Neural
        Networks", ICML 2017, arXiv:1706.04599); it is part of the graph.
    confidence_floor: 0 to 1; a mask whose mean confidence is below it is of low confidence.
    familiarity_floor: a frame below it is unlike the training data.
    judged: frames with labels that the figures below come from; neither the temperature nor the floors have seen them.
    error, uncalibrated_error: expected calibration error over 15 bins, 0 to 1, with the temperature and without.
    low, unfamiliar: share of these ordinary frames, 0 to 1, whose mask is called of low confidence, and that are called
        unfamiliar: false alarms.
    """

    temperature: float
    confidence_floor: float
    familiarity_floor: float
    judged: int
    error: float
    uncalibrated_error: float
    low: float
    unfamiliar: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"a temperature is a number above 0, got {self.temperature}")
        shares = {
            "confidence_floor": self.confidence_floor,
            "error": self.error,
            "uncalibrated_error": self.uncalibrated_error,
            "low": self.low,
            "unfamiliar": self.unfamiliar,
        }
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise UsageError(f"{name} is a share from 0 to 1, got {value}")
        if not math.isfinite(self.familiarity_floor):
            raise UsageError(f"familiarity_floor is a number, got {self.familiarity_floor}")
        if self.judged < 1:
            raise UsageError(f"judged is the number of frames, at least 1, got {self.judged}")
