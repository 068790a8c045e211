"""The session: one opened model that turns frames into masks.

Every backend is a subclass in a file of its own; all of them pass tests/runtime/session_contract.py.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels, check_frame
from edgeunet.runtime.model_identity import ModelFile
from edgeunet.spec import ModelSpec
from edgeunet.trust import Trust

S = TypeVar("S", bound="Session")
SIZES = 16  # of frames, whose letterboxes are kept


@dataclass(frozen=True)
class Result:
    """The mask of one frame.

    mask: uint8 [H, W] class indices at the network's input size; the caller may keep it.
    times_ns: duration of each stage in nanoseconds, by the monotonic clock, in the order in which the stages ran:
        "fit", "infer", and others that the backend has. Frames that ran as one batch have the times of the batch.
    letterbox: where the frame lies in the mask; letterbox.restore_mask(mask) is the mask at the frame's size.
    model: the name of the model that made it, where several take turns; else "".
    logits: float32 [C, H, W] of a single tile, where frames are cut into tiles and the file has logits; else None.
    confidence: uint8 [H, W], the probability of each pixel's class in 255ths; the caller may keep it. None for a file
        without it.
    familiarity: how like the training data the frame is, to be compared with Session.trust.familiarity_floor; None
        for a file without it.
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
        """0 to 1, over the part of the mask that the frame fills; for Session.trust.confidence_floor."""
        if self.confidence is None:
            return None
        return float(cv2.mean(self.letterbox.inside(self.confidence))[0]) / 255


class Prediction(NamedTuple):
    """What a backend computes for one frame, the caller's to keep: see the fields of Result."""

    mask: UInt8
    logits: NDArray[np.float32] | None = None
    confidence: UInt8 | None = None
    familiarity: float | None = None

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Prediction:
        """Copies of one frame's outputs, by the names of the fields: a backend fills the arrays again."""
        logits, confidence, familiarity = (arrays.get(name) for name in cls._fields[1:])
        return cls(
            arrays["mask"].copy(),
            None if logits is None else logits.astype(np.float32),
            None if confidence is None else confidence.copy(),
            None if familiarity is None else float(familiarity),
        )


@dataclass(frozen=True)
class Fitted:
    """A frame that was fitted before it is submitted: see Session.fit_ahead().

    frame: as it came. pixels: uint8 [H, W, channels], at the network's input size. letterbox: where the frame lies
    in it.
    """

    frame: Pixels
    pixels: UInt8
    letterbox: Letterbox


Submitted = Pixels | Fitted
"""A frame as submit() takes it."""


class Session(ABC):
    """One opened model; open_session() makes it. `with` closes it.

    run() may be called from several threads: the calls run one after another. submit() and result() belong
    together and are for one thread.

    spec: the classes, their colours and the input size (H, W) in pixels.
    capacity: how many calls of submit() there may be before the first result is taken.
    max_batch: the most frames of one call; above 1, a list of frames runs as one batch.
    large: pixels of a frame that takes long to fit.
    file: name, SHA-256 and size in bytes of the model file.
    """

    capacity = 1
    max_batch = 1
    large = 1920 * 1080  # 3 ms to 256×320 on one core of 3 GHz; 3840×2160 takes 15
    file: ModelFile

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self._lock = threading.Lock()
        self._letterboxes: dict[tuple[int, int], Letterbox] = {}  # by the size of the frame
        self._waiting: deque[tuple[list[Letterbox], int]] = deque()  # of each submit(), and its time to fit
        self._ready: deque[Result | Exception] = deque()  # of the latest batch, what is not taken yet
        self._closed = False

    @property
    def trust(self) -> Trust | None:
        """What confidence and familiarity of the latest result mean; None for a file without them."""
        return self.spec.trust

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Facts that its speed depends on, by name: "backend", "version", "device", "in_flight" and others."""

    @abstractmethod
    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        """Fit 1 to max_batch frames into an input buffer and, where the backend can, start the inference."""

    @abstractmethod
    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        """What the oldest _submit() gives, for each of its frames, and the nanoseconds of the stages after "fit"."""

    @abstractmethod
    def _close(self) -> None:
        """Free the backend's resources."""

    def fit_ahead(self, frame: Pixels) -> Fitted | None:
        """A frame that is larger than `large`, fitted in the thread of the caller, any one; else None.

        submit() takes it in place of the frame. What a large frame costs then holds up nobody who shares the session.
        """
        spec = self.spec
        if frame.shape[0] * frame.shape[1] <= self.large or spec.pixels.deep:
            return None
        letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), spec)
        return Fitted(frame, letterbox.fit(frame), letterbox)

    def submit(self, frames: Submitted | Sequence[Submitted]) -> None:
        """Hand over a frame of any size, or a list of up to max_batch frames; their memory may be reused at once.

        A frame is uint8 [h, w, 3] BGR, or what spec.pixels says; blue, green, red becomes grey for a model of one
        channel, and grey is repeated for one of three. Those of a list may differ in size.

        Raises FrameError for another shape or dtype, UsageError if the list is empty or too long, if `capacity` calls
        wait already or the session is closed, GpuError or ModelFileError if the backend fails.
        """
        given = self._counted(frames)
        with self._lock:
            self._require_room(self.capacity)
            ready, letterboxes = self._prepared(given)
            fit_ns = self._timed_submit(ready, [self._letterbox_of(frame) for frame in ready])
            self._waiting.append((letterboxes, fit_ns))

    def result(self) -> Result:
        """Wait for the oldest submitted frame and return its mask: one call for each frame, in the order of submit().

        Raises UsageError if none is waiting, GpuError or ModelFileError if the backend fails; if a batch fails, for
        each of its frames.
        """
        with self._lock:
            if not self._ready:
                if not self._waiting:
                    raise UsageError("no frame is waiting: submit one first")
                letterboxes, fit_ns = self._waiting.popleft()
                try:
                    predictions, times = self._result()
                except Exception as error:  # noqa: BLE001 - it belongs to every frame of the batch
                    self._ready.extend([error] * len(letterboxes))
                else:
                    self._ready.extend(_results(predictions, {"fit": fit_ns, **times}, letterboxes))
            found = self._ready.popleft()
        if isinstance(found, Exception):
            raise found
        return found

    @overload
    def run(self, frames: Submitted) -> Result: ...
    @overload
    def run(self, frames: Sequence[Submitted]) -> list[Result]: ...
    def run(self, frames: Submitted | Sequence[Submitted]) -> Result | list[Result]:
        """The mask of a frame, or the masks of a list, as submit() takes it: submit() and result() in one.

        Safe from any thread. Raises what they raise, and UsageError while a submitted frame waits.
        """
        given = self._counted(frames)
        with self._lock:
            self._require_room(1)
            ready, letterboxes = self._prepared(given)
            results = _results(*self._run(ready, [self._letterbox_of(frame) for frame in ready]), letterboxes)
        return results if isinstance(frames, (list, tuple)) else results[0]

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
                self._ready.clear()
                self._close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _counted(self, frames: Submitted | Sequence[Submitted]) -> Sequence[Submitted]:
        one: Any = frames
        given: Sequence[Submitted] = frames if isinstance(frames, (list, tuple)) else [one]
        if not 1 <= len(given) <= self.max_batch:
            at_once = "one frame" if self.max_batch == 1 else f"1 to {self.max_batch} frames"
            raise UsageError(f"this session takes {at_once} at once, got a list of {len(given)}: submit them in turn")
        return given

    def _prepared(self, given: Sequence[Submitted]) -> tuple[list[Pixels], list[Letterbox]]:
        """What goes to the backend, and where each frame lies in its mask."""
        ready, letterboxes = list[Pixels](), list[Letterbox]()
        for frame in given:
            # Another model may have taken over since a frame was fitted.
            if isinstance(frame, Fitted) and frame.letterbox.input_size == self.spec.fitted_size:
                ready.append(frame.pixels)
                letterboxes.append(frame.letterbox)
            else:
                ready.append(check_frame(frame.frame if isinstance(frame, Fitted) else frame, self.spec.pixels))
                letterboxes.append(self._letterbox_of(ready[-1]))
        return ready, letterboxes

    def _require_room(self, room: int) -> None:
        if self._closed:
            raise UsageError("the session is closed: open it again")
        if len(self._waiting) >= room or (room == 1 and self._ready):
            raise UsageError("submitted frames wait already: take their results first")

    def _letterbox_of(self, frame: Pixels) -> Letterbox:
        size = (frame.shape[0], frame.shape[1])
        if size not in self._letterboxes:
            if len(self._letterboxes) == SIZES:
                self._letterboxes.clear()
            self._letterboxes[size] = Letterbox.of(size, self.spec)
        return self._letterboxes[size]

    def _run(
        self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]
    ) -> tuple[Sequence[Prediction], dict[str, int]]:
        """Frames from start to end, and all their times."""
        fit_ns = self._timed_submit(frames, letterboxes)
        predictions, times = self._result()
        return predictions, {"fit": fit_ns, **times}

    def _timed_submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> int:
        begin = time.perf_counter_ns()
        self._submit(frames, letterboxes)
        return time.perf_counter_ns() - begin


def _results(
    predictions: Sequence[Prediction], times_ns: Mapping[str, int], letterboxes: Sequence[Letterbox]
) -> list[Result]:
    return [
        Result(prediction.mask, times_ns, letterbox, "", *prediction[1:])
        for prediction, letterbox in zip(predictions, letterboxes, strict=True)
    ]
