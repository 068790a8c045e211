"""A model file that is replaced while the camera runs: the new one is proven before it takes over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from edgeunet.errors import MismatchError, ModelFileError
from edgeunet.runtime.model_identity import state_of
from edgeunet.runtime.session import Session
from edgeunet.spec import ModelSpec

POLL_S = 0.5
CLOSE_S = 0.5  # how long the end waits for a model that is being opened


class ModelWatch:
    """Looks at a model file, and hands over each newer one that is as good as the first. Use it in a `with`.

    A file counts as written once it is the same twice in a row. `switch` gets the opened session and owns it;
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
        self._path = path
        self._spec = spec
        self._opener = opener
        self._switch = switch
        self._notify = notify
        self._poll_s = poll_s
        self._known = state_of(path)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="edgeunet-model-watch", daemon=True)

    def __enter__(self) -> ModelWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(CLOSE_S)

    def _watch(self) -> None:
        before = self._known
        while not self._stopped.wait(self._poll_s):
            now = state_of(self._path)
            if now is not None and now == before and now != self._known:
                self._known = now
                self._take()
            before = now

    def _take(self) -> None:
        try:
            session = self._opener()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new file, the old model goes on
            self._refuse(error)
            return
        try:
            prove(session, self._spec, str(self._path))
        except Exception as error:  # noqa: BLE001 - as above
            session.close()
            self._refuse(error)
            return
        if self._stopped.is_set():
            session.close()
            return
        self._switch(session)
        self._notify(f"{self._path} was replaced: the new model is in use")

    def _refuse(self, error: Exception) -> None:
        self._notify(f"{self._path} was replaced, but the old model stays: {' '.join(str(error).split())}")


def prove(session: Session, spec: ModelSpec, name: str) -> None:
    """Raise MismatchError unless it has the classes and input size of `spec`, ModelFileError if a trial fails."""
    new = session.spec
    if (new.names, new.input_size) != (spec.names, spec.input_size):
        raise MismatchError(
            f"{name} has the classes {', '.join(new.names)} at {new.input_size[0]}×{new.input_size[1]}; the model in "
            f"use has {', '.join(spec.names)} at {spec.input_size[0]}×{spec.input_size[1]}: start the camera again"
        )
    noise = np.random.default_rng(0).integers(0, 256, (*spec.input_size, 3), np.uint8)
    mask = session.run(noise).mask
    if mask.shape != spec.input_size or mask.max() >= len(spec.classes):
        raise ModelFileError(
            f"{name} gives a mask of shape {list(mask.shape)} up to class {mask.max()}: export it again"
        )
