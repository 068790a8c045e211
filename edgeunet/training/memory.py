"""How the process holds memory while it trains."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library keep what tensors free, for the next step's; elsewhere than with glibc nothing happens.

    It maps every large tensor afresh, and the kernel clears each page at its first touch: on a CPU that takes longer
    than most operators compute (benchmarks/training.py has whole steps). The process keeps what it needed at its peak.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
