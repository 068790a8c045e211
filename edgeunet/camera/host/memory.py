"""Giving memory back to the system after a disk or a reader stopped and frames had to wait.

glibc keeps what was freed in a heap for each thread, which malloc_trim(3) cannot shrink: one stall of a sink cost the
process 22 MB for good at 1280×720. It can shrink a single heap for all threads, which is as fast. Memory mapped for
each frame would go back at once, but the loop would take twice the time.
"""

from __future__ import annotations

import ctypes
import time

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
EVERY_S = 30.0


class HeapTrimmer:
    """The heap of this process; does nothing with a C library other than glibc."""

    def __init__(self) -> None:
        """Create it before the threads start."""
        library = ctypes.CDLL(None)
        self._trim = getattr(library, "malloc_trim", None)
        if self._trim is not None:
            library.mallopt(_ARENA_MAX, 1)
        self._due = 0.0

    def give_back(self) -> None:
        """Return free memory, once in EVERY_S; it takes 1 to 5 ms."""
        now = time.monotonic()
        if self._trim is not None and now >= self._due:
            self._due = now + EVERY_S
            self._trim(0)
