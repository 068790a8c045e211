"""What a user asks of a conversion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from edgeunet.errors import UsageError

Exif = Literal["keep", "drop"]


@dataclass(frozen=True)
class ConversionOptions:
    """layout: recognised if not given. classes: a list of classes instead of the source's own.

    images: a folder to look for the images in, where the export has none. masks: a folder of masks of the images in
    `images`, whatever the two are named. val_share: of the frames, where the source has no val (VAL_SHARE if not
    given). lists: files that name each split's frames. mask_suffix: what a mask's name has after its image's. exif:
    what happens to images with an EXIF orientation, see write_frames(). ignore_unknown: pixels of a colour, value or
    label that the list does not have are ignored. nearest: a colour that the list does not have counts as the nearest.
    """

    layout: str | None = None
    classes: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    val_share: float | None = None
    lists: Mapping[str, Path] = field(default_factory=dict)
    mask_suffix: str | None = None
    exif: Exif | None = None
    ignore_unknown: bool = False
    nearest: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.val_share is not None and not 0 < self.val_share < 1:
            raise UsageError(f"--val-share is above 0 and below 1, got {self.val_share}")
        if self.lists and self.val_share is not None:
            raise UsageError("--list names the frames of each split and --val-share divides them: give one of them")
        if self.exif not in (None, "keep", "drop"):
            raise UsageError(f"--exif is keep or drop, got {self.exif!r}")
        for split in self.lists:
            if not re.fullmatch(r"\w[\w.-]*", split):
                raise UsageError(f"a split is one plain name such as val, and becomes a folder; got {split!r}")


class Request(NamedTuple):
    """What a format's reader gets."""

    path: Path  # the export
    target: Path  # the dataset folder to be made; nothing of it is there yet
    options: ConversionOptions
