"""Frames on their way from one thread to the next: all of them in order, or only the newest."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameQueue(Generic[T]):
    """A bounded queue between one producer and one consumer. Either of them may close it.

    newest=False: put() waits while `capacity` items are in it; none is lost.
    newest=True: put() never waits; the oldest item makes room and counts as dropped.
    changed: shared by all queues that one consumer reads; re-entrant.
    since_ns: when the first item since the last take() arrived, also if it was dropped; 0 if none has.
    last_ns: when the latest item arrived. Both of time.perf_counter_ns().
    """

    def __init__(self, capacity: int = 1, *, newest: bool = False, changed: threading.Condition | None = None) -> None:
        self.dropped = 0
        self.closed = False
        self.since_ns = self.last_ns = 0
        self._capacity = capacity
        self._newest = newest
        self._items: deque[tuple[int, T]] = deque()  # with when each arrived
        self._changed = changed or threading.Condition()

    def wait_for_room(self) -> bool:
        """Wait until put() would return at once; False once the queue is closed."""
        with self._changed:
            self._changed.wait_for(self._takes)
            return not self.closed

    def put(self, item: T) -> bool:
        """Add an item; False, and the item is ignored, once the queue is closed."""
        with self._changed:
            self._changed.wait_for(self._takes)
            if self.closed:
                return False
            if len(self._items) == self._capacity:
                self._items.popleft()
                self.dropped += 1
            self.last_ns = time.perf_counter_ns()
            self.since_ns = self.since_ns or self.last_ns
            self._items.append((self.last_ns, item))
            self._changed.notify_all()
            return True

    def get(self, timeout: float | None = None) -> T | None:
        """The oldest item; None once the queue is closed and empty, or after `timeout` seconds without one."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self.closed, timeout)
            return self.take()

    def offer(self, item: T) -> bool:
        """Add an item if there is room; neither waits nor drops another one."""
        with self._changed:
            return not self.closed and len(self._items) < self._capacity and self.put(item)

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self.closed and not self._items

    @property
    def has_room(self) -> bool:
        """Whether put() would add an item without dropping another."""
        with self._changed:
            return not self.closed and len(self._items) < self._capacity

    def waiting(self) -> list[tuple[int, T]]:
        """What is in it, the oldest first, and when each arrived."""
        with self._changed:
            return list(self._items)

    def take(self, place: int = 0) -> T | None:
        """The oldest item, or that at `place`, without waiting; None if there is none. Those before it are dropped."""
        with self._changed:
            if len(self._items) <= place:
                return None
            for _ in range(place):
                self._items.popleft()
            self.dropped += place
            _, item = self._items.popleft()
            self.since_ns = self._items[0][0] if self._items else 0
            self._changed.notify_all()
            return item

    def close(self, *, discard: bool = False) -> None:
        """Accept no more items; those in the queue can still be taken, unless `discard` drops them."""
        with self._changed:
            self.closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def _takes(self) -> bool:
        return self.closed or self._newest or len(self._items) < self._capacity
