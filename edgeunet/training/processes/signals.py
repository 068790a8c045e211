"""Signals that stop a training: the current step is finished first, so that the checkpoint is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STOP = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C; what torch's launcher, a service manager or a scheduler sends


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that the first signal sets; a second signal stops at once, in the middle of a step."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.getsignal(number) for number in _STOP}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(*_: object) -> None:
        event.set()
        restore()

    for number in _STOP:
        signal.signal(number, on_signal)
    try:
        yield event
    finally:
        restore()


def ignore_stop(_: int) -> None:
    """For a worker of that number: signals reach every process of a group, but only the one that saves handles them."""
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)
