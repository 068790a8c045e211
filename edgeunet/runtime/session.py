"""The session: one opened model that turns frames into masks.

Every backend is a subclass in a file of its own; all of them pass tests/runtime/session_contract.py.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels, check_frame
from edgeunet.runtime.model_identity import ModelFile
from edgeunet.spec import ModelSpec

S = TypeVar("S", bound="Session")


@dataclass(frozen=True)
class Result:
    """The mask of one frame.

    mask: uint8 [H, W] class indices at the network's input size; the caller may keep it.
    times_ns: duration of each stage in nanoseconds, by the monotonic clock, in the order in which the stages ran:
        "fit", "infer", and others that the backend has.
    letterbox: where the frame lies in the mask; letterbox.restore_mask(mask) is the mask at the frame's size.
    model: the name of the model that made it, where several take turns; else "".
    logits: float32 [C, H, W] of a single tile, where frames are cut into tiles and the file has logits; else None.
    confidence: uint8 [H, W], the probability of each pixel's class in 255ths; the caller may keep it. None for a file
        without it.
    familiarity: how like the training data the frame is, to be compared with spec.trust.familiarity_floor; None for a
        file without it.
    """

    mask: UInt8
    times_ns: Mapping[str, int]
    letterbox: Letterbox
    model: str = ""
    logits: NDArray[np.float32] | None = None
    confidence: UInt8 | None = None
    familiarity: float | None = None

    @property
    def mean_confidence(self) -> float | None:
        """0 to 1, over the part of the mask that the frame fills; to be compared with spec.trust.confidence_floor."""
        if self.confidence is None:
            return None
        return float(cv2.mean(self.letterbox.inside(self.confidence))[0]) / 255


class Further(NamedTuple):
    """What a result has besides the mask, in the order of Result's fields."""

    logits: NDArray[np.float32] | None = None
    confidence: UInt8 | None = None
    familiarity: float | None = None


class Session(ABC):
    """One opened model; open_session() makes it. `with` closes it.

    run() may be called from several threads: the calls run one after another. submit() and result() belong
    together and are for one thread.

    spec: the classes, their colours and the input size (H, W) in pixels.
    capacity: how many frames may be submitted before the first result is taken.
    batched: whether the first result() runs all frames that are submitted by then as one batch; take all of its
        results in a row.
    file: name, SHA-256 and size in bytes of the model file.
    """

    capacity = 1
    batched = False
    file: ModelFile

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._lock = threading.Lock()
        self._letterbox: Letterbox | None = None
        self._waiting: deque[tuple[Letterbox, int]] = deque()  # (where the frame lies, time to fit it)
        self._closed = False

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Facts that its speed depends on, by name: "backend", "version", "device", "in_flight" and others."""

    @abstractmethod
    def _submit(self, frame: Pixels, letterbox: Letterbox) -> None:
        """Fit the frame into an input buffer and, where the backend can, start the inference."""

    @abstractmethod
    def _result(self) -> tuple[UInt8, dict[str, int]]:
        """The oldest submitted frame's mask (owned by the caller), and the nanoseconds of the stages after "fit"."""

    @abstractmethod
    def _close(self) -> None:
        """Free the backend's resources."""

    def _further(self) -> Further:
        """The other outputs for the latest _result(); owned by the caller."""
        return Further()

    def submit(self, frame: Pixels) -> None:
        """Hand over a frame of any size; its memory may be reused once this returns.

        It is uint8 [h, w, 3] BGR, or what spec.pixels says; blue, green, red becomes grey for a model of one channel,
        and grey is repeated for one of three.

        Raises FrameError for another shape or dtype, UsageError if `capacity` frames wait already or the session is
        closed, GpuError or ModelFileError if the backend fails.
        """
        frame = check_frame(frame, self.spec.pixels)
        with self._lock:
            self._require_room(self.capacity)
            letterbox = self._letterbox_of(frame)
            self._waiting.append((letterbox, self._timed_submit(frame, letterbox)))

    def result(self) -> Result:
        """Wait for the oldest submitted frame and return its mask.

        Raises UsageError if none is waiting, GpuError or ModelFileError if the backend fails.
        """
        with self._lock:
            if not self._waiting:
                raise UsageError("no frame is waiting: submit one first")
            letterbox, fit_ns = self._waiting.popleft()
            mask, times = self._result()
            return Result(mask, {"fit": fit_ns, **times}, letterbox, "", *self._further())

    def run(self, frame: Pixels) -> Result:
        """The mask of a frame, as submit() takes it: submit() and result() in one; safe from any thread.

        Raises what they raise, and UsageError while a submitted frame waits.
        """
        frame = check_frame(frame, self.spec.pixels)
        with self._lock:
            self._require_room(1)
            letterbox = self._letterbox_of(frame)
            mask, times = self._run(frame, letterbox)
            return Result(mask, times, letterbox, "", *self._further())

    def segment(self, frame: Pixels) -> UInt8:
        """As run(), at the frame's own size: a frame [h, w, …] → uint8 [h, w] class indices."""
        result = self.run(frame)
        return result.letterbox.restore_mask(result.mask)

    def close(self) -> None:
        """Free the model; run() and submit() raise UsageError afterwards. It may be closed more than once."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting.clear()
                self._close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require_room(self, room: int) -> None:
        if self._closed:
            raise UsageError("the session is closed: open it again")
        if len(self._waiting) >= room:
            raise UsageError(f"{len(self._waiting)} submitted frames wait already: take their results first")

    def _letterbox_of(self, frame: Pixels) -> Letterbox:
        size = (frame.shape[0], frame.shape[1])
        if self._letterbox is None or self._letterbox.frame_size != size:
            self._letterbox = Letterbox.of(size, self.spec)
        return self._letterbox

    def _run(self, frame: Pixels, letterbox: Letterbox) -> tuple[UInt8, dict[str, int]]:
        """One frame from start to end: its mask and all its times."""
        fit_ns = self._timed_submit(frame, letterbox)
        mask, times = self._result()
        return mask, {"fit": fit_ns, **times}

    def _timed_submit(self, frame: Pixels, letterbox: Letterbox) -> int:
        begin = time.perf_counter_ns()
        self._submit(frame, letterbox)
        return time.perf_counter_ns() - begin
