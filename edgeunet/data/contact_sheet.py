"""One picture of a dataset: frames with their masks in the class colours, chosen so that every class is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.pairs import ImageMaskPair, Problem
from edgeunet.data.statistics import SplitFacts
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.drawing import (
    SMOOTHING,
    class_colors,
    draw_text,
    fill_rounded,
    font_scale,
    reduced,
    text_width,
    whole,
)
from edgeunet.imaging.pixels import UInt8, picture_of
from edgeunet.spec import IGNORE, ClassInfo
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import replacing, require_writable

COLUMNS = 4
TILES = 12  # more where there are more classes
MOST_TILES = 40
OPACITY = 0.5  # of the class colours
_TILE_WIDTH = 400  # pixels, as all below
_GAP = 16
_CAPTION = 30
_TEXT = 11  # height of capitals
_SMALL_TEXT = 9
ENDINGS = (".jpg", ".jpeg", ".png")
_QUALITY = 92  # of JPEG, 0 to 100
_BACKGROUND = (30, 26, 24)  # (blue, green, red)
_WHITE = (245, 245, 245)
_GREY = (170, 166, 162)
_HATCHED = (60, 62, 66)  # (red, green, blue): of ignored pixels in the legend


@dataclass(frozen=True)
class SheetFrame:
    """A frame of the sheet. shows: the indices of the classes that no other frame has more of. deep: has 16 bits."""

    split: str
    name: str
    shows: tuple[int, ...] = ()
    deep: bool = False


def require_picture(path: Path, *, force: bool) -> None:
    """Raise UsageError or OutputError, before long work, if a sheet cannot be written to that path."""
    require_ending(path, *ENDINGS, title="--contact-sheet")
    require_writable(path, force=force)


def choose(splits: Mapping[str, SplitFacts], classes: int) -> list[SheetFrame]:
    """For each class, the rarest first, the frame with most of it; then more frames, evenly spaced.

    The same dataset always gets the same choice.
    """
    frames = [(split, f) for split, facts in splits.items() for f in facts.frames]
    if not frames:
        return []
    shares = np.array([f.pixels / max(1, f.pixels.sum()) for _, f in frames]).reshape(-1, classes)
    chosen: dict[int, tuple[int, ...]] = {}
    for c in np.argsort((shares > 0).sum(0), kind="stable")[:MOST_TILES]:
        best = int(shares[:, c].argmax())
        if shares[best, c] > 0:
            chosen[best] = (*chosen.get(best, ()), int(c))
    rest = [i for i in range(len(frames)) if i not in chosen]
    # Whole rows of the grid.
    count = min(len(rest), max(TILES, -(-len(chosen) // COLUMNS) * COLUMNS) - len(chosen))
    for i in np.linspace(0, len(rest) - 1, count).round() if count else ():
        chosen[rest[int(i)]] = ()
    return [
        SheetFrame(frames[i][0], frames[i][1].name, shows, 8 < frames[i][1].image.bits <= 16)
        for i, shows in chosen.items()
    ]


def write_contact_sheet(dataset: DatasetFolder, splits: Mapping[str, SplitFacts], path: Path, *, force: bool) -> None:
    """Draw the sheet of a surveyed dataset to a .jpg or .png file.

    Raises DatasetError if no frame of it can be used, OutputError if the file cannot be written.
    """
    choices = choose(splits, len(dataset.classes))
    if not choices:
        raise DatasetError(f"{dataset.path} has no frame that can be drawn: fix the files that `data stats` names")
    samples = _read(dataset, choices)
    sheet = np.vstack([_header(dataset, splits), _grid(samples, choices, dataset.classes)])
    suffix = path.suffix.lower()
    how = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]  # OpenCV 5 warns of options without use
    done, data = cv2.imencode(suffix, sheet, how)
    if not done:
        raise UsageError(f"OpenCV cannot write {path.suffix}: choose .png")
    with replacing(path, force=force) as temporary:
        temporary.write_bytes(data.tobytes())


def overlay(sample: Sample, classes: Sequence[ClassInfo]) -> UInt8:
    """The frame with its mask blended in, uint8 [h, w, 3] BGR; ignored pixels are hatched."""
    colors = cv2.applyColorMap(sample.mask, class_colors(classes))
    frame = picture_of(sample.frame)
    mixed = np.asarray(cv2.addWeighted(frame, 1.0 - OPACITY, colors, OPACITY, 0.0), dtype=np.uint8)
    period = max(8, sample.mask.shape[1] // 32)
    height, width = sample.mask.shape
    stripe = (np.arange(height)[:, None] + np.arange(width)) % period < max(1, period // 6)
    ignored = sample.mask == IGNORE
    mixed[ignored] = frame[ignored] // 2
    mixed[ignored & stripe] = _GREY
    return mixed


def _read(dataset: DatasetFolder, choices: Sequence[SheetFrame]) -> list[Sample]:
    pairs: dict[tuple[str, str], ImageMaskPair] = {}
    for split in {c.split for c in choices}:
        pairs |= {(split, p.image.stem): p for p in dataset.pairs(split)[0]}
    read = [_sample(dataset, pairs[c.split, c.name], deep=c.deep) for c in choices]
    for sample in read:
        if isinstance(sample, Problem):
            raise DatasetError(f"{sample}; the file has changed since it was checked")
    return [s for s in read if isinstance(s, Sample)]


def _sample(dataset: DatasetFolder, pair: ImageMaskPair, *, deep: bool) -> Sample | Problem:
    """With all its bits, if it has more than 8 and a decoder gives them."""
    found = replace(dataset, pixels=replace(dataset.pixels, deep=True)).read(pair) if deep else None
    return found if isinstance(found, Sample) else dataset.read(pair)


def _grid(samples: Sequence[Sample], choices: Sequence[SheetFrame], classes: Sequence[ClassInfo]) -> UInt8:
    height = round(float(np.median([s.mask.shape[0] / s.mask.shape[1] for s in samples])) * _TILE_WIDTH)
    height = min(height, 2 * _TILE_WIDTH)
    tiles = [
        np.vstack([_fitted(overlay(s, classes), height), _caption(c, classes)])
        for s, c in zip(samples, choices, strict=True)
    ]
    empty = np.full_like(tiles[0], _BACKGROUND)
    tiles += [empty] * (-len(tiles) % COLUMNS)
    gap = np.full((len(empty), _GAP, 3), _BACKGROUND, np.uint8)
    rows = []
    for start in range(0, len(tiles), COLUMNS):
        row = [part for tile in tiles[start : start + COLUMNS] for part in (gap, tile)]
        rows.append(np.hstack([*row, gap]))
    return np.vstack(rows)


def _fitted(picture: UInt8, height: int) -> UInt8:
    """In the middle of a tile, as large as fits."""
    scale = min(height / picture.shape[0], _TILE_WIDTH / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST  # the pixels of small frames stay visible
    tile = np.full((height, _TILE_WIDTH, 3), _BACKGROUND, np.uint8)
    top, left = (height - size[1]) // 2, (_TILE_WIDTH - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=how)
    return tile


class _Strip:
    """A strip of background to write on, in pixels of the sheet."""

    def __init__(self, width: int, height: int) -> None:
        self._large = np.full((whole(height * SMOOTHING), whole(width * SMOOTHING), 3), _BACKGROUND, np.uint8)

    def text(
        self,
        text: str,
        left: float,
        middle: float,
        room: float,
        size: int = _TEXT,
        color: tuple[int, int, int] = _WHITE,
    ) -> float:
        """Write in at most `room` pixels, with capitals of `size`; returns the width that was needed."""
        font, stroke = font_scale(size * SMOOTHING), max(1, round(size * SMOOTHING / 8))
        text = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
        shown = text
        while shown and text_width(shown, font, stroke) > room * SMOOTHING:
            text = text[:-1]
            shown = f"{text}..." if text else ""
        where = (round(left * SMOOTHING), round(middle * SMOOTHING))
        draw_text(self._large, shown, where, font, stroke, color)
        return text_width(shown, font, stroke) / SMOOTHING

    def swatch(self, left: float, middle: float, size: int, color: tuple[int, int, int]) -> None:
        """A square of a class's colour, (red, green, blue), with a border so that black ones are visible."""
        for inset, bgr in ((0, _GREY), (1, color[::-1])):
            side = (size - 2 * inset) * SMOOTHING
            x, y = round((left + inset) * SMOOTHING), round((middle - size / 2 + inset) * SMOOTHING)
            fill_rounded(self._large, x, y, side, side, side // 5, bgr)

    def drawn(self) -> UInt8:
        return reduced(self._large)


def _caption(choice: SheetFrame, classes: Sequence[ClassInfo]) -> UInt8:
    strip = _Strip(_TILE_WIDTH, _CAPTION)
    middle, room = 12, _TILE_WIDTH * 0.6
    split = strip.text(choice.split, 0, middle, room, _SMALL_TEXT, _GREY)
    name = strip.text(choice.name, split + 8, middle, room - split, _SMALL_TEXT)
    if choice.shows:
        left = max(split + name + 24, _TILE_WIDTH * 0.4)
        for index in choice.shows[:3]:
            strip.swatch(left, middle, 12, classes[index].color)
            left += 17
        names = ", ".join(classes[index].name for index in choice.shows)
        strip.text(f"most {names}", left + 1, middle, _TILE_WIDTH - left, _SMALL_TEXT)
    return strip.drawn()


def _header(dataset: DatasetFolder, splits: Mapping[str, SplitFacts]) -> UInt8:
    """The name of the dataset, its splits, and the legend: share of the pixels and frames of each class."""
    entries = [(c.name, c.color, _counts(splits, i, len(dataset.classes))) for i, c in enumerate(dataset.classes)]
    if any(f.ignored() for f in splits.values()):
        shares = "   ".join(f"{split} {100 * f.ignored():.2f} %" for split, f in splits.items())
        entries.append(("ignored, hatched", _HATCHED, shares))
    column, row, top = _TILE_WIDTH + _GAP, 40, 56
    width = COLUMNS * column + _GAP
    strip = _Strip(width, top + -(-len(entries) // COLUMNS) * row + _GAP)
    name = strip.text(dataset.path.resolve().name, _GAP, 28, width / 2, 15)
    frames = "   ".join(f"{split} {len(f.frames)} frames" for split, f in splits.items())
    strip.text(frames, _GAP + name + 24, 28, width - name - 60, _TEXT, _GREY)
    for i, (label, color, counts) in enumerate(entries):
        left, middle = _GAP + i % COLUMNS * column, top + i // COLUMNS * row + 12
        strip.swatch(left, middle + 8, 28, color)
        strip.text(label, left + 38, middle, _TILE_WIDTH - 40)
        strip.text(counts, left + 38, middle + 18, _TILE_WIDTH - 40, _SMALL_TEXT, _GREY)
    return strip.drawn()


def _counts(splits: Mapping[str, SplitFacts], index: int, classes: int) -> str:
    """For one class and each split: its share of the pixels, and the number of frames in which it occurs."""
    return "   ".join(
        f"{split} {100 * f.shares(classes)[index]:.2f} % in {f.occurrences(classes)[index]}/{len(f.frames)}"
        for split, f in splits.items()
    )
