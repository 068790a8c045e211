"""The tags of a TIFF file, and of EXIF, which is a TIFF file inside another file. Only whole numbers are read."""

from __future__ import annotations

ORIENTATION = 0x0112  # the tag of EXIF's orientation


def is_big(data: bytes) -> bool:
    """Whether a TIFF file is a BigTIFF."""
    return 43 in data[2:4]


def int_at(data: bytes, at: int, size: int) -> int:
    """The number of `size` bytes at that place; raises ValueError beyond the end."""
    if at + size > len(data):
        raise ValueError("cut")
    return int.from_bytes(data[at : at + size], "little" if data[:2] == b"II" else "big")


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def tags_of(data: bytes, at: int, most: int = 8) -> tuple[dict[int, list[int]], int]:
    """The whole numbers of a TIFF directory, at most `most` per tag, and where the next directory begins.

    Raises ValueError if its values claim far more bytes than the file has: other readers would read them all.
    """
    big = is_big(data)
    wide = 8 if big else 4
    entry, head = (20, 8) if big else (12, 2)
    count, begin = int_at(data, at, head), at + head
    after = int_at(data, begin + entry * count, wide) if begin + entry * count + wide <= len(data) else 0
    tags: dict[int, list[int]] = {}
    room = 0
    for place in range(begin, begin + entry * count if most else begin, entry):
        tag, kind, values = int_at(data, place, 2), int_at(data, place + 2, 2), int_at(data, place + 4, wide)
        size = _SIZES.get(kind, 1)
        room += values * size
        where = place + 4 + wide
        if values * size > wide:
            where = int_at(data, where, wide)
        if kind in (1, 3, 4, 16) and where + size * min(values, most) <= len(data):
            tags[tag] = [int_at(data, where + size * i, size) for i in range(min(values, most))]
    if room > 4 * len(data) + 65_536:
        raise ValueError("tags larger than the file")
    return tags, after


def exif_orientation(exif: bytes) -> int:
    """EXIF's orientation; 1 if the EXIF is damaged, since the picture may still be fine."""
    tiff = exif.removeprefix(b"Exif\0\0")
    try:
        return known_orientation(tags_of(tiff, int_at(tiff, 4, 4))[0].get(ORIENTATION, [1])[0])
    except (ValueError, IndexError):
        return 1


def known_orientation(orientation: int) -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 for any other number."""
    return orientation if 1 <= orientation <= 8 else 1
