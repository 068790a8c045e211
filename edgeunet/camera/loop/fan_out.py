"""All sinks together: one that fails is closed, and the others continue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from edgeunet.camera.frame import Shot, Sink, StateSink
from edgeunet.camera.state.mask_state import StateReport
from edgeunet.errors import OutputError


class FanOut:
    """Enters sinks, writes each frame to all of them and leaves them; one thread at a time writes.

    A sink that raises OutputError is left with that error, and `notify` gets a line about it. Any other exception is a
    fault of the program and is passed on.
    """

    def __init__(self, sinks: Sequence[AbstractContextManager[Sink]], notify: Callable[[str], None]) -> None:
        self.errors: list[OutputError] = []
        self.sinks = list(sinks)
        self._notify = notify
        self._open: list[tuple[AbstractContextManager[Sink], Sink]] = []
        self._writing = threading.Lock()

    def __bool__(self) -> bool:
        """Whether any sink still takes frames."""
        return bool(self._open)

    def write(self, shot: Shot) -> None:
        """Give a frame to every sink."""
        self._give(lambda sink: sink.write(shot))

    def write_states(self, reports: Sequence[StateReport]) -> None:
        """Give the states of silent sources to every sink that takes them."""
        self._give(lambda sink: sink.write_states(reports) if isinstance(sink, StateSink) else None)

    def _give(self, hand_over: Callable[[Sink], None]) -> None:
        with self._writing:
            for context, sink in self._open[:]:
                try:
                    hand_over(sink)
                except OutputError as error:
                    self._open.remove((context, sink))
                    self.errors.append(error)
                    self._notify(str(error) + ("; the other outputs continue" if self._open else ""))
                    self._leave(context, error)

    def __enter__(self) -> FanOut:
        try:
            for context in self.sinks:
                self._open.append((context, context.__enter__()))
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._leave(self._open.pop()[0], value)

    def _leave(self, context: AbstractContextManager[Sink], reason: BaseException | None) -> None:
        """Close a sink; a failure is one error, however often it is raised."""
        try:
            context.__exit__(None if reason is None else type(reason), reason, None)
        except OutputError as error:
            if error is not reason:
                self.errors.append(error)
