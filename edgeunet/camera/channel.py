"""What hands frames from one thread to the next: every frame in order, or only the newest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """A bounded queue between one producer and one consumer that either of them may close.

    newest=False: put() waits while `capacity` items are in it; none is lost.
    newest=True: put() never waits; the oldest item makes room and counts as dropped.
    """

    def __init__(self, capacity: int = 1, *, newest: bool = False) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._newest = newest
        self._items: deque[T] = deque()
        self._closed = False
        self._changed = threading.Condition()

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
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self, *, discard: bool = False) -> None:
        """Nothing more goes in; what is in it can still be taken, unless `discard` throws it away."""
        with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._closed or self._newest or len(self._items) < self._capacity
