"""What a video file promises, read from its container: OpenCV plays a cut file to the gap and says nothing.

Layouts: MP4 and MOV, ISO/IEC 14496-12, sections 4.2 and 8; Matroska, RFC 9559 and RFC 8794, section 4; AVI,
Microsoft's RIFF, whose further pieces over 1 GB are RIFF again (OpenDML 1.02).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edgeunet.errors import SourceError

_FIRST = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


class _Box(NamedTuple):
    kind: bytes
    begin: int  # of the body, in bytes from the start of the file
    end: int


def require_whole(path: Path) -> None:
    """Raise SourceError if an MP4, MOV, Matroska, WebM or AVI file is cut: it claims more bytes than it has.

    So does an MP4 or MOV file without its index. Fragmented ones and files of other containers pass.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in _FIRST:
            end = _end_of_boxes(file, path, size)
        elif head.startswith(_EBML):
            end = _end_of_segment(file)
        elif head[:4] == b"RIFF" and head[8:] == b"AVI ":
            end = _end_of_riffs(file, size)
        else:
            return
    if end > size:
        raise SourceError(
            f"{path} is cut: the last {end - size:,} of its {end:,} bytes are missing; "
            f"copy it again, or save what is there with `ffmpeg -i {path.name} -c copy saved{path.suffix}`"
        )


def frames_promised(path: Path) -> int | None:
    """How many frames an MP4 or MOV file must decode to; None if it does not say exactly.

    It does not where it is fragmented, or where its edit list hides frames at either end.
    """
    with path.open("rb") as file:
        if file.read(8)[4:] not in _FIRST:
            return None
        root = _Box(b"", 0, path.stat().st_size)
        moov = _find(file, root, b"moov")
        if moov is None or _find(file, moov, b"mvex") is not None:
            return None
        for track in _boxes(file, moov.begin, moov.end):
            handler = _find(file, track, b"mdia", b"hdlr") if track.kind == b"trak" else None
            if handler is not None and _read(file, handler.begin + 8) == int.from_bytes(b"vide", "big"):
                return _samples_shown(file, moov, track)
    return None


def _end_of_boxes(file: BinaryIO, path: Path, size: int) -> int:
    boxes = list(_boxes(file, 0, size))
    kinds = {box.kind for box in boxes}
    if not {b"moov", b"moof"} & kinds:
        raise SourceError(f"{path} is cut: it ends before its index (no moov box), copy or record it again")
    # Fragments are written so that a recording may end anywhere: a kill leaves the last one cut.
    return size if b"moof" in kinds else boxes[-1].end


def _end_of_segment(file: BinaryIO) -> int:
    """Where the Segment behind the EBML header ends; 0 if there is none, or if its size was never written."""
    begin, size, _ = _element_size(file, len(_EBML))
    at = begin + size
    file.seek(at)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return 0
    begin, size, unknown = _element_size(file, at + len(_SEGMENT))
    return 0 if unknown else begin + size


def _element_size(file: BinaryIO, at: int) -> tuple[int, int, bool]:
    """(where the body begins, its size in bytes, whether the size is "unknown") of an EBML size field."""
    first = _read(file, at, 1)
    width = 9 - first.bit_length()  # bytes: one more than there are zeros before the first one
    size = _read(file, at, width) & (1 << 7 * width) - 1
    return at + width, size, size == (1 << 7 * width) - 1


def _end_of_riffs(file: BinaryIO, size: int) -> int:
    """Where the last RIFF ends; 0 if a length was never written, as after a crash."""
    end = 0
    while end + 8 <= size and _read(file, end) == int.from_bytes(b"RIFF", "big"):
        body = int.from_bytes(file.read(4), "little")
        if body == 0:
            return 0
        end += 8 + body + body % 2
    return end


def _samples_shown(file: BinaryIO, moov: _Box, track: _Box) -> int | None:
    """The sample count of a track (stsz), or None where its edit list (elst) shows only a part of it."""
    sizes = _find(file, track, b"mdia", b"minf", b"stbl", b"stsz")
    movie, media = _find(file, moov, b"mvhd"), _find(file, track, b"mdia", b"mdhd")
    if sizes is None or movie is None or media is None:
        return None
    count = _read(file, sizes.begin + 8)
    edits = _find(file, track, b"edts", b"elst")
    if edits is None or count == 0:
        return count or None
    wide = _read(file, edits.begin, 1) == 1
    width, entry = (8, 20) if wide else (4, 12)
    shown: list[tuple[int, int]] = []  # (duration in units of the movie, start in units of the media)
    for index in range(_read(file, edits.begin + 4)):
        at = edits.begin + 8 + index * entry
        start = _read(file, at + width, width, signed=True)
        if start >= 0:  # -1 is a pause before the picture
            shown.append((_read(file, at, width), start))
    if len(shown) != 1:
        return None
    (duration, start), (movie_rate, _), (media_rate, length) = shown[0], _clock(file, movie), _clock(file, media)
    offsets = _find(file, track, b"mdia", b"minf", b"stbl", b"ctts")
    first = _read(file, offsets.begin + 12, signed=True) if offsets is not None else 0
    frame = length / count
    hidden_end = (length - start) - duration * media_rate / movie_rate if duration else 0.0
    return count if start <= max(first, 0) and hidden_end <= frame else None


def _clock(file: BinaryIO, header: _Box) -> tuple[int, int]:
    """(units a second, duration in them) of an mvhd or mdhd box."""
    if _read(file, header.begin, 1) == 1:
        return _read(file, header.begin + 20), _read(file, header.begin + 24, 8)
    return _read(file, header.begin + 12), _read(file, header.begin + 16)


def _find(file: BinaryIO, box: _Box, *kinds: bytes) -> _Box | None:
    """The first box of these kinds, one inside the other."""
    for kind in kinds:
        inner = next((b for b in _boxes(file, box.begin, box.end) if b.kind == kind), None)
        if inner is None:
            return None
        box = inner
    return box


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[_Box]:
    """The boxes between two positions; the last may claim an end beyond it."""
    while begin + 8 <= end:
        size, head = _read(file, begin), 8
        kind = file.read(4)
        if size == 1:
            size, head = _read(file, begin + 8, 8), 16
        elif size == 0:  # to the end of the file
            size = end - begin
        box = _Box(kind, begin + head, begin + max(size, head))
        yield box
        begin = box.end


def _read(file: BinaryIO, at: int, size: int = 4, *, signed: bool = False) -> int:
    file.seek(at, os.SEEK_SET)
    return int.from_bytes(file.read(size), "big", signed=signed)
