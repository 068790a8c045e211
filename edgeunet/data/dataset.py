"""The dataset folder: images/<split>/<stem>.jpg|png, masks/<split>/<stem>.png and classes.json."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edgeunet.data.classes import CLASSES_FILE, read_classes
from edgeunet.data.convert_command import convert_command
from edgeunet.data.facts.image_facts import ImageFacts, image_facts_of
from edgeunet.data.pairs import ImageMaskPair, Pairing, Problem, name_in, pair_up, without_mask
from edgeunet.errors import DatasetError, ImageError, not_found
from edgeunet.imaging.image_header import ImageHeader, read_header
from edgeunet.imaging.images import SOME_ENDINGS, decode_image, images_in, is_hidden, read_file
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.mask_image import Mask, code_of, decode_mask, value_counts
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import BGR, IGNORE, ClassInfo, PixelFormat
from edgeunet.utils.formatting import some

Digests = tuple[bytes, bytes]  # SHA-256 of an image's file and of its mask's


@dataclass(frozen=True)
class Sample:
    """One labelled frame, in memory. digests: of its two files; empty if it is not from files."""

    name: str
    frame: Pixels  # [h, w, 3] BGR, or the pixels that the dataset was opened for
    mask: UInt8  # [h, w] class index, IGNORE where it does not count
    image: ImageFacts = field(default_factory=ImageFacts)
    unowned: int = 0  # pixels with the value IGNORE, which is not in the list of classes
    digests: Digests = (b"", b"")


@dataclass(frozen=True)
class DatasetFolder:
    """A folder in the layout above. Trained classes have the indices 0, 1, 2, …; ignored ones come after."""

    path: Path
    classes: tuple[ClassInfo, ...]
    ignored: tuple[int, ...]  # mask values that do not count
    pixels: PixelFormat = BGR  # that its images are read with

    @classmethod
    def open(cls, path: str | Path, pixels: PixelFormat = BGR) -> DatasetFolder:
        """Read classes.json; raises DatasetError if the folder is not a dataset. pixels: of a model, or as usual."""
        path = Path(path)
        if not path.is_dir():
            raise DatasetError(
                f"{not_found(path, 'dataset folder')}; `edgeunet data convert` makes one of a tool's export"
            )
        if not any(path.iterdir()):
            raise DatasetError(f"{path} is empty: a dataset has images/<split>/, masks/<split>/ and classes.json")
        file = path / CLASSES_FILE
        if not file.is_file():
            if near := _dataset_near(path):
                raise DatasetError(f"{path} has no {CLASSES_FILE}, but {near} has: give that folder")
            raise DatasetError(
                f"{path} has no {CLASSES_FILE}: if it is a labelling tool's export, or a dataset in another layout, "
                f"`{convert_command(path)}` makes a dataset folder of it"
            )
        classes = read_classes(file)
        return cls(path, classes.classes, classes.ignored, pixels)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)

    @property
    def ignore_index(self) -> int | None:
        """The mask value that means "ignored" in the files, if the dataset has one."""
        return self.ignored[0] if self.ignored else None

    @property
    def without_splits(self) -> str:
        """The message about a folder without splits."""
        if images_in(self.path / "images"):
            return f"has images, but no images/<split>: divide them with `{convert_command(self.path)}`"
        return "has no images/<split> folder, such as images/train and images/val"

    def splits(self) -> tuple[str, ...]:
        folder = self.path / "images"
        return (
            tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not is_hidden(p)))
            if folder.is_dir()
            else ()
        )

    def image_paths(self, split: str) -> list[Path]:
        """The split's images, sorted by name; raises DatasetError if it has none."""
        folder = self.path / "images" / split
        splits = self.splits()
        paths = images_in(folder) if split in splits else []  # `split` may not be a path
        if not paths:
            have = ", ".join(splits)
            if not have:
                raise DatasetError(f"{self.path} {self.without_splits}")
            raise DatasetError(f"{folder} has no images ({SOME_ENDINGS}); splits of this dataset: {have}")
        return paths

    def pairs(self, split: str) -> tuple[list[ImageMaskPair], list[Problem]]:
        """The split's images, each with its mask, and the problems of the other files. Raises DatasetError if empty."""
        paired = self.paired(split)
        lacking = [without_mask(p, self.path) for p in paired.unlabelled]
        return list(paired.pairs.values()), [*lacking, *paired.orphans, *paired.twice]

    def paired(self, split: str) -> Pairing:
        """The split's images with their masks. Raises DatasetError if it has no images."""
        masks = [(p.stem, p) for p in self._mask_paths(split)]
        return pair_up(self.image_paths(split), masks, self.path)

    def read(self, pair: ImageMaskPair) -> Sample | Problem:
        """Decode an image and its mask, or return what is wrong with them."""
        reading = pair.image
        try:
            data = read_file(reading)
            header = read_header(data)
            frame = decode_image(data, self.pixels)
            reading = pair.mask
            labels = read_file(reading)
            mask = decode_mask(labels)
            in_colors = mask.numbers is None or self._is_colored(mask)
        except ImageError as error:
            return Problem(name_in(reading, self.path), error.what, error.remedy)
        where = name_in(pair.mask, self.path)
        numbers = mask.numbers
        if numbers is None or in_colors:
            return Problem(where, "is in colours, must be class indices", self._colored)
        if numbers.shape != frame.shape[:2]:
            what = f"{size_text(numbers.shape)}, but its image is {size_text(frame.shape)}"
            return Problem(where, what, exif_hint(header, numbers.shape, f"`{convert_command(self.path)} --exif drop`"))
        values = numbers.astype(np.uint8)
        counts = value_counts(values)
        present = np.flatnonzero(counts)
        if strangers := [int(v) for v in present if v >= len(self.classes) and v not in (*self.ignored, IGNORE)]:
            greys = {c.color[0] for c in self.classes if len(set(c.color)) == 1}
            remedy = self._colored if greys.issuperset(present) else ""
            return Problem(where, f"values {some(strangers, 5)} are not in classes.json", remedy)
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.classes)] = np.arange(len(self.classes))
        unowned = 0 if IGNORE in self.ignored else int(counts[IGNORE])
        facts = image_facts_of(data, header, frame, mask.header)
        digests = hashlib.sha256(data).digest(), hashlib.sha256(labels).digest()
        return Sample(pair.image.stem, frame, np.asarray(cv2.LUT(values, table), np.uint8), facts, unowned, digests)

    def _is_colored(self, mask: Mask) -> bool:
        """Whether a palette has the colours of the classes, but at other indices: then the indices mean nothing."""
        if not mask.header.palette:
            return False
        index_of = {code_of(c.color): i for i, c in enumerate(self.classes)}
        found = mask.colors_by_number()
        known = all(color in index_of for color in found.values())
        return known and any(index_of[color] != number for number, color in found.items())

    @property
    def _colored(self) -> str:
        return f"masks in colours become class indices with `{convert_command(self.path)}`"

    def _mask_paths(self, split: str) -> list[Path]:
        return images_in(self.path / "masks" / split)


def _dataset_near(path: Path) -> Path | None:
    """The dataset folder that this folder is a part of, such as its images/val, or that lies in it."""
    for whole in (*path.parents, *path.absolute().parents):
        part = path.absolute().relative_to(whole.absolute()).parts[0]
        if part in ("images", "masks") and (whole / CLASSES_FILE).is_file():
            return whole
    return next((f.parent for f in sorted(path.glob(f"*/{CLASSES_FILE}")) if not is_hidden(f.parent)), None)


def exif_hint(header: ImageHeader, mask: Sequence[int], remedy: str) -> str:
    """What is said of a mask whose size (h, w) is the image's before EXIF turns it; "" for any other mask."""
    if header.orientation < 5 or tuple(mask[:2]) != (header.height, header.width):
        return ""
    return f"EXIF turns these images by a quarter, and their masks were drawn on the pixels as stored: {remedy}"


def size_text(shape: Sequence[int]) -> str:
    """(height, width, …) as people write a size: "640x480"."""
    return f"{shape[1]}x{shape[0]}"
