"""Published frames for the tests of the sinks, made by hand."""

from __future__ import annotations

import time

import numpy as np

from edgeunet.camera.frame import Frame, Shot
from edgeunet.camera.state.mask_state import Finding, MaskState
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.runtime import Result
from edgeunet.spec import ModelSpec
from tests.models import toy_spec


def shot_of(
    overlay: UInt8,
    time_s: float = 0.0,
    *,
    number: int = 0,
    source: str = "fake",
    pixels: UInt8 | None = None,
    mask: UInt8 | None = None,
    spec: ModelSpec | None = None,
) -> Shot:
    """A shot of this drawn picture; the camera's picture is the same and the mask all of class 0 if not given."""
    spec = spec or toy_spec()
    pixels = overlay if pixels is None else pixels
    mask = np.zeros(spec.input_size, np.uint8) if mask is None else mask
    letterbox = Letterbox.of((pixels.shape[0], pixels.shape[1]), spec)
    frame = Frame(pixels, number, time.perf_counter_ns(), 2_000_000)
    times = {"fit": 500_000, "infer": 10_000_000}
    stages = {"read": 2_000_000, **times, "draw": 1_500_000}
    state = Finding(MaskState.LATE, "12 ms old, the deadline is 10 ms")
    return Shot(source, frame, Result(mask, times, letterbox), overlay, overlay, time_s, stages, 12_000_000, 3, state)
