from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeunet.camera.state.findings import judge
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.runtime import Result
from edgeunet.trust import Trust
from tests.models import toy_spec

TRUST = Trust(1.5, 0.8, -3.0, 50, 0.02, 0.05, 0.01, 0.01)
SPEC = toy_spec()
SHAPE = SPEC.input_size


def result_of(confidence: float | None = 0.9, familiarity: float | None = 0.0) -> Result:
    """The confidence of the part that the frame fills; outside of it there is none."""
    box = Letterbox.of((40, 90), SPEC)
    pixels = None
    if confidence is not None:
        pixels = np.zeros(SHAPE, np.uint8)
        box.inside(pixels)[:] = round(255 * confidence)
    return Result(np.zeros(SHAPE, np.uint8), {}, box, confidence=pixels, familiarity=familiarity)


@pytest.mark.parametrize(
    ("fault", "result", "said"),
    [
        ("", result_of(), "fresh"),
        ("", result_of(confidence=0.7), "low confidence (mean confidence 0.70, the floor is 0.80)"),
        ("", result_of(familiarity=-4), "unfamiliar (familiarity -4, the floor is -3)"),
        ("", result_of(confidence=0.1, familiarity=-4), "unfamiliar (familiarity -4, the floor is -3)"),
        ("black", result_of(confidence=0.1, familiarity=-4), "frozen (black)"),
        ("black", result_of(), "frozen (black)"),
    ],
)
def test_the_worst_counts(fault: str, result: Result, said: str) -> None:
    assert str(judge(fault, result, TRUST)) == said


def test_a_file_without_confidence_is_never_fresh() -> None:
    unknown = "unknown (the model file gives no confidence)"
    assert str(judge("", result_of(), None)) == unknown
    assert str(judge("", replace(result_of(), confidence=None, familiarity=None), TRUST)) == unknown
    assert str(judge("black", result_of(None, None), None)) == "frozen (black)"
