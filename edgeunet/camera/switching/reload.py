"""A model file that is replaced while the camera runs: the new one is tried before it takes over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edgeunet.camera.polling import Poller
from edgeunet.errors import MismatchError, ModelFileError
from edgeunet.imaging.pixels import blank_frame
from edgeunet.runtime.model_identity import state_of
from edgeunet.runtime.session import Session
from edgeunet.spec import ModelSpec

POLL_S = 0.5


class ModelWatch(Poller):
    """Looks for a newer model file, and switches to each one that works like the first. Use it in a `with`.

    A file counts as complete when two checks in a row find it unchanged. `switch` gets the opened session and owns it;
    `notify` gets a line for people. Both are called in the watching thread.
    """

    def __init__(
        self,
        path: Path,
        spec: ModelSpec,
        opener: Callable[[], Session],
        switch: Callable[[Session], None],
        notify: Callable[[str], None],
        *,
        poll_s: float = POLL_S,
    ) -> None:
        """spec: of the model in use; the new one has the same classes and input size."""
        super().__init__("model-watch", poll_s)
        self._path = path
        self._spec = spec
        self._opener = opener
        self._switch = switch
        self._notify = notify
        self._known = self._before = state_of(path)

    def look(self) -> bool:
        """Take over a file that is new and complete."""
        now = state_of(self._path)
        if now is not None and now == self._before and now != self._known:
            self._known = now
            self._take()
        self._before = now
        return True

    def _take(self) -> None:
        with ExitStack() as unless_taken:
            try:
                session = unless_taken.enter_context(self._opener())
                require_same(session, self._spec, str(self._path))
            except Exception as error:  # noqa: BLE001 - any error of the new file: the old model stays in use
                reason = " ".join(str(error).split())
                self._notify(f"{self._path} was replaced, but the old model stays: {reason}")
                return
            if self._stopped.is_set():
                return
            unless_taken.pop_all()
            self._switch(session)
        self._notify(f"{self._path} was replaced: the new model is in use")


def require_same(session: Session, spec: ModelSpec, name: str) -> None:
    """Raise MismatchError unless classes, input size, tiles and pixels are those of `spec`, ModelFileError for a wrong
    mask."""
    new = session.spec
    if (new.names, new.input_size, new.tiles) != (spec.names, spec.input_size, spec.tiles):
        raise MismatchError(
            f"{name} has the classes {', '.join(new.names)} at {new.input_text}; the model in use has "
            f"{', '.join(spec.names)} at {spec.input_text}: start the camera again"
        )
    if new.pixels != spec.pixels:
        raise MismatchError(
            f"{name} takes frames of {new.pixels}; the model in use of {spec.pixels}: start the camera again"
        )
    blank = blank_frame(spec)
    noise = np.random.default_rng(0).integers(0, np.iinfo(blank.dtype).max, blank.shape, blank.dtype, endpoint=True)
    mask = session.run(noise).mask
    if mask.shape != spec.fitted_size or mask.max() >= len(spec.classes):
        raise ModelFileError(
            f"{name} returns a mask of shape {list(mask.shape)} up to class {mask.max()}: export it again"
        )
