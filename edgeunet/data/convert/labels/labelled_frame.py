"""The common form of every export: frames with their labels, and what the labels' values mean.

A frame's image is a file, or bytes inside another file. Its labels are a mask file, or shapes that are drawn. Both are
read when the frame is written, so that memory does not grow with the number of frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.classes import ClassList
from edgeunet.data.pairs import Problem
from edgeunet.errors import ImageError
from edgeunet.imaging.images import read_file

UNKNOWN = -1
"""The index of a pixel whose colour, value or label the list of classes does not have."""


class LabelSizeError(ImageError):
    """Labels of another size than their image. size: (height, width) of the labels."""

    def __init__(self, size: tuple[int, int], image: tuple[int, int]) -> None:
        super().__init__(f"{size[1]}x{size[0]}, but its image is {image[1]}x{image[0]}")
        self.size = size


class Moved(NamedTuple):
    """Pixels that have taken the class of the nearest colour. steps: the largest distance, of `color`, in levels."""

    pixels: int = 0
    steps: float = 0.0
    color: str = ""


@dataclass(frozen=True)
class FrameLabels:
    """What the labels of one frame say."""

    indices: NDArray[np.int16]  # [h, w] mask values of the dataset to be made; UNKNOWN where there is none
    unknown: Counter[str] = field(default_factory=Counter)  # pixels of each unknown colour, value or label
    kind: Literal["colour", "value", "label"] = "label"  # what the labels are told by
    left_out: Counter[str] = field(default_factory=Counter)  # what a mask cannot show: how many of each kind
    empty: bool = False  # without any shape: nothing to see, or not labelled
    bits: int = 8  # of a mask file
    numbers: frozenset[int] = frozenset()  # that a mask file has; none if it is in colours
    lossy: bool = False  # a mask file that is JPEG, which changes values
    orientation: int = 1  # EXIF's, of a mask file
    moved: Moved = field(default_factory=Moved)


class Labels(Protocol):
    """The labels of one frame. path: the file that has them."""

    @property
    def path(self) -> Path: ...

    def read(self, size: tuple[int, int], *, turn: bool) -> FrameLabels:
        """The labels of an image of that size, (height, width). turn: a mask file as its own EXIF says.

        Raises LabelSizeError, or ImageError that says what is wrong with the file.
        """
        ...


class FrameImage(Protocol):
    """The image of one frame. path: the file that has it. ending: of the file to be written, "" as its format is."""

    @property
    def path(self) -> Path: ...
    @property
    def ending(self) -> str: ...

    def read(self) -> bytes:
        """The bytes of an image file. Raises ImageError."""
        ...


@dataclass(frozen=True)
class ImageFile:
    """An image that is a file of its own."""

    path: Path

    @property
    def ending(self) -> str:
        return self.path.suffix

    def read(self) -> bytes:
        return read_file(self.path)


class LabelledFrame(NamedTuple):
    """A frame before it is read."""

    image: FrameImage
    labels: Labels


Splits = dict[str, dict[str, LabelledFrame]]  # by split and name; the split is "" where the source has none


@dataclass(frozen=True)
class ConversionSource:
    """An export in any layout. Nothing in it is ever written."""

    classes: ClassList
    splits: Splits
    unlabelled: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)  # images without labels, of each split
    problems: tuple[Problem, ...] = ()  # that do not matter if lists name the frames
    twice: tuple[Problem, ...] = ()  # files that share a name, which matter always
    notes: tuple[str, ...] = ()  # lines to print
    layout: str = ""  # its name, where reading has found which of two it is
    numbers: Mapping[int, int] = field(default_factory=dict)  # what masks' numbers become, or would if they were read
    in_colors: bool = False  # whether masks are read as colours
