"""What is left of an MP4 that was recorded in fragments and cut: FFmpeg does not open one that ends inside a header."""

from __future__ import annotations

import os


def whole_fragments(descriptor: int, size: int) -> int:
    """How many bytes of an open file of `size` bytes are whole boxes; 0 if its index (moov) is not among them.

    Source: ISO/IEC 14496-12, 4.2: a box begins with its length, 32 bits, and its kind; a length of 1 says that 64 bits
    with the length follow.
    """
    end, indexed = 0, False
    while end < size:
        head = os.pread(descriptor, 16, end)
        length = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4], "big")
        if length < 8 or end + length > size:
            break
        indexed = indexed or head[4:8] == b"moov"
        end += length
    return end if indexed else 0
