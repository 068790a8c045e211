"""What hands frames from one thread to the next: every frame in order, or only the newest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """A bounded queue between one producer and one consumer that either of them may close.

    newest=False: put() waits while `capacity` items are in it; none is lost.
    newest=True: put() never waits; the oldest item makes room and counts as dropped.
    changed: shared by channels that one Turns takes from.
    """

    def __init__(self, capacity: int = 1, *, newest: bool = False, changed: threading.Condition | None = None) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._newest = newest
        self._items: deque[T] = deque()
        self._closed = False
        self._changed = changed or threading.Condition()

    def wait_for_room(self) -> bool:
        """Wait until put() would not; False once the channel is closed."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            return not self._closed

    def put(self, item: T) -> bool:
        """Hand over an item; False, and the item is ignored, once the channel is closed."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            if self._closed:
                return False
            if len(self._items) == self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item; None once the channel is closed and empty, or after `timeout` seconds without one."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            return self._take()

    def close(self, *, discard: bool = False) -> None:
        """Nothing more goes in; what is in it can still be taken, unless `discard` throws it away."""
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def _take(self) -> T | None:
        """The oldest item, or None; with the condition held."""
        if not self._items:
            return None
        item = self._items.popleft()
        self._changed.notify_all()
        return item

    def _has_room(self) -> bool:
        return self._closed or self._newest or len(self._items) < self._capacity


class Turns(Generic[T]):
    """Takes from several channels of one condition: whoever was served last comes last. For one thread."""

    def __init__(self, channels: Sequence[Channel[T]], changed: threading.Condition) -> None:
        self._channels = deque(enumerate(channels))
        self._changed = changed

    def get(self, *, wait: bool = True) -> tuple[int, T] | None:
        """The next item and the index of its channel; None once all are closed and empty, or if none may be waited for.

        wait: until there is one.
        """
        with self._changed:
            while True:
                for _ in range(len(self._channels)):
                    index, channel = self._channels[0]
                    self._channels.rotate(-1)
                    if (item := channel._take()) is not None:
                        return index, item
                if not wait or all(channel._closed for _, channel in self._channels):
                    return None
                self._changed.wait()
