"""Frames on their way from one thread to the next: all of them in order, or only the newest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameQueue(Generic[T]):
    """A bounded queue between one producer and one consumer. Either of them may close it.

    newest=False: put() waits while `capacity` items are in it; none is lost.
    newest=True: put() never waits; the oldest item makes room and counts as dropped.
    changed: shared by all queues that one RoundRobin reads; re-entrant.
    """

    def __init__(self, capacity: int = 1, *, newest: bool = False, changed: threading.Condition | None = None) -> None:
        self.dropped = 0
        self.closed = False
        self._capacity = capacity
        self._newest = newest
        self._items: deque[T] = deque()
        self._changed = changed or threading.Condition()

    def wait_for_room(self) -> bool:
        """Wait until put() would return at once; False once the queue is closed."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            return not self.closed

    def put(self, item: T) -> bool:
        """Add an item; False, and the item is ignored, once the queue is closed."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            if self.closed:
                return False
            if len(self._items) == self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
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

    def take(self) -> T | None:
        """The oldest item, without waiting; None if there is none."""
        with self._changed:
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self, *, discard: bool = False) -> None:
        """Accept no more items; those in the queue can still be taken, unless `discard` drops them."""
        with self._changed:
            self.closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self.closed or self._newest or len(self._items) < self._capacity


class RoundRobin(Generic[T]):
    """Takes from several queues that share one condition; the queue served last waits longest. For one thread."""

    def __init__(self, queues: Sequence[FrameQueue[T]], changed: threading.Condition) -> None:
        self._queues = deque(enumerate(queues))
        self._changed = changed

    def get(self, *, wait: bool = True) -> tuple[int, T] | None:
        """The index of a queue and its next item; None once all are closed and empty.

        wait=False: None also if no queue has an item now.
        """
        with self._changed:
            while True:
                for _ in range(len(self._queues)):
                    index, queue = self._queues[0]
                    self._queues.rotate(-1)
                    if (item := queue.take()) is not None:
                        return index, item
                if not wait or all(queue.closed for _, queue in self._queues):
                    return None
                self._changed.wait()
