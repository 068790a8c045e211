"""Confidence and familiarity of a model file, judged on frames as a session gives them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import UsageError
from edgeunet.evaluation.reliability import Reliability
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.runtime.tiled_session import tiled
from edgeunet.trust import Trust


@dataclass(frozen=True, eq=False)
class JudgedFrames:
    """error: the expected calibration error of all labelled pixels, 0 to 1; NaN without any.
    confidence, familiarity: [n], of each frame; the mean confidence of its mask, 0 to 1.
    """

    error: float
    confidence: NDArray[np.float64]
    familiarity: NDArray[np.float64]

    def judgement(self, temperature: float, lowest: float, strangest: float, uncalibrated_error: float) -> Trust:
        """What the outputs mean by these frames, with these floors of confidence and familiarity.

        Raises UsageError if no pixel has a label.
        """
        if math.isnan(self.error):
            raise UsageError("no pixel of the judging frames has a label: give --data and --split with labelled frames")
        return Trust(
            temperature,
            lowest,
            strangest,
            len(self.confidence),
            self.error,
            uncalibrated_error,
            float(np.mean(self.confidence < lowest)),
            float(np.mean(self.familiarity < strangest)),
        )

    def again(self, trust: Trust) -> Trust:
        """The same for a file that was made from one with this trust, and has its floors."""
        kept = trust.temperature, trust.confidence_floor, trust.familiarity_floor, trust.uncalibrated_error
        return self.judgement(*kept)


def judged_frames(path: Path, frames: Iterable[tuple[Pixels, UInt8 | None]]) -> JudgedFrames:
    """Run a .onnx file with both outputs in ONNX Runtime on frames, each with its label [h, w] or None."""
    reliability = Reliability()
    confidences, familiarities = [], []
    with tiled(OnnxRuntimeSession(path)) as session:
        for frame, label in frames:
            result = session.run(frame)
            if result.confidence is None or result.familiarity is None or result.mean_confidence is None:
                raise ValueError(f"{path} has no confidence")
            if label is not None:
                restored = (result.letterbox.restore_mask(array) for array in (result.mask, result.confidence))
                reliability.add(label, *restored)
            confidences.append(result.mean_confidence)
            familiarities.append(result.familiarity)
    return JudgedFrames(reliability.error, np.array(confidences), np.array(familiarities))
