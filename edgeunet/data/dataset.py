"""The dataset folder: images/<split>/<stem>.jpg|png, masks/<split>/<stem>.png and classes.json."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np

from edgeunet.data.classes import CLASSES_FILE, read_classes
from edgeunet.data.convert_command import convert_command
from edgeunet.data.facts.image_facts import ImageFacts, image_facts_of
from edgeunet.data.pairs import ImageMaskPair, Pairing, Problem, listed, name_in, pair_up, without_mask
from edgeunet.errors import DatasetError, ImageError, not_found
from edgeunet.imaging.image_header import ImageHeader, read_header
from edgeunet.imaging.images import SOME_ENDINGS, decode_image, images_in, is_hidden, read_file
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.mask_image import Mask, code_of, read_mask
from edgeunet.spec import IGNORE, ClassInfo
from edgeunet.utils.formatting import some

_MEMORY = 2 << 30  # bytes of decoded frames that a split keeps
_AT_ONCE = 64  # frames decoded before memory is checked again


@dataclass(frozen=True)
class Sample:
    """One labelled frame, in memory."""

    name: str
    frame: UInt8  # [h, w, 3] BGR
    mask: UInt8  # [h, w] class index, IGNORE where it does not count
    image: ImageFacts = field(default_factory=ImageFacts)
    unowned: int = 0  # pixels with the value IGNORE, which is not in the list of classes


@dataclass(frozen=True)
class DatasetFolder:
    """A folder in the layout above. Trained classes have the indices 0, 1, 2, …; ignored ones come after."""

    path: Path
    classes: tuple[ClassInfo, ...]
    ignored: tuple[int, ...]  # mask values that do not count

    @classmethod
    def open(cls, path: str | Path) -> DatasetFolder:
        """Read classes.json; raises DatasetError if the folder is not a dataset."""
        path = Path(path)
        if not path.is_dir():
            raise DatasetError(
                f"{not_found(path, 'dataset folder')}; `edgeunet data convert` makes one from other layouts"
            )
        if not any(path.iterdir()):
            raise DatasetError(f"{path} is empty: a dataset has images/<split>/, masks/<split>/ and classes.json")
        file = path / CLASSES_FILE
        if not file.is_file():
            raise DatasetError(
                f"{path} has no {CLASSES_FILE}: if it is a labelling tool's export, or a dataset in another layout, "
                f"`{convert_command(path)}` makes a dataset folder of it"
            )
        classes = read_classes(file)
        return cls(path, classes.classes, classes.ignored)

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

    def load(self, split: str) -> Split:
        """Every frame of a split with its mask, decoded once and checked.

        Raises DatasetError that lists all problems at once: images without masks and masks without images, images that
        cannot be read, sizes that differ, mask values that classes.json does not have.
        """
        pairs, problems = self.pairs(split)
        loaded = Split(self.read, pairs)
        problems += loaded.problems
        if problems:
            raise DatasetError(f"{self.path} has {len(problems)} problem(s), fix these files:{listed(problems)}")
        return loaded

    def pairs(self, split: str) -> tuple[list[ImageMaskPair], list[Problem]]:
        """The split's images, each with its mask, and the problems of the other files. Raises DatasetError if empty."""
        paired = self.paired(split)
        lacking = [without_mask(p, self.path) for p in paired.unlabelled]
        return list(paired.pairs.values()), [*lacking, *paired.orphans, *paired.twice]

    def paired(self, split: str) -> Pairing:
        """The split's images with their masks. Raises DatasetError if it has no images."""
        masks = [(p.stem, p) for p in self._mask_paths(split)]
        return pair_up(self.image_paths(split), masks, self.path)

    def sha256(self, split: str) -> str:
        """Hash of the split's file names and contents, and of classes.json: the same data, the same hash."""
        digest = hashlib.sha256()
        for path in [self.path / CLASSES_FILE, *self.image_paths(split), *self._mask_paths(split)]:
            digest.update(os.fsencode(name_in(path, self.path)))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def read(self, pair: ImageMaskPair) -> Sample | Problem:
        """Decode an image and its mask, or return what is wrong with them."""
        reading = pair.image
        try:
            data = read_file(reading)
            header = read_header(data)
            frame = decode_image(data)
            reading = pair.mask
            mask = read_mask(reading)
            in_colors = mask.numbers is None or self._is_colored(mask)
        except ImageError as error:
            return Problem(name_in(reading, self.path), error.what)
        where = name_in(pair.mask, self.path)
        numbers = mask.numbers
        if numbers is None or in_colors:
            return Problem(where, "is in colours, must be class indices", self._colored)
        if numbers.shape != frame.shape[:2]:
            what = f"{size_text(numbers.shape)}, but its image is {size_text(frame.shape)}"
            return Problem(where, what, exif_hint(header, numbers.shape, self.path))
        counts = np.bincount(numbers.ravel(), minlength=256)
        present = np.flatnonzero(counts)
        if strangers := [int(v) for v in present if v >= len(self.classes) and v not in (*self.ignored, IGNORE)]:
            greys = {c.color[0] for c in self.classes if len(set(c.color)) == 1}
            remedy = self._colored if greys.issuperset(present) else ""
            return Problem(where, f"values {some(strangers, 5)} are not in classes.json", remedy)
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.classes)] = np.arange(len(self.classes))
        unowned = 0 if IGNORE in self.ignored else int(counts[IGNORE])
        return Sample(pair.image.stem, frame, table[numbers], image_facts_of(data, header, frame, mask.header), unowned)

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


class Split(Sequence[Sample]):
    """The samples of one split: as many as _MEMORY allows stay in memory, the others are read again from disk."""

    def __init__(self, read: Callable[[ImageMaskPair], Sample | Problem], pairs: Sequence[ImageMaskPair]) -> None:
        self._read = read
        self._pairs = pairs
        self._kept: dict[int, Sample] = {}
        self.problems: list[Problem] = []
        room = _MEMORY
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(pairs), _AT_ONCE):
                for index, sample in enumerate(pool.map(read, pairs[start : start + _AT_ONCE]), start):
                    if isinstance(sample, Problem):
                        self.problems.append(sample)
                    elif (room := room - sample.frame.nbytes - sample.mask.nbytes) >= 0:
                        self._kept[index] = sample

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        sample = self._kept.get(index) or self._read(self._pairs[index])
        if isinstance(sample, Problem):
            raise DatasetError(f"{sample}; the file has changed since it was checked")
        return sample


def exif_hint(header: ImageHeader, mask: Sequence[int], folder: Path) -> str:
    """The remedy for a mask whose size (h, w) is the image's before EXIF turns it; "" for any other mask."""
    if header.orientation < 5 or tuple(mask[:2]) != (header.height, header.width):
        return ""
    return (
        "EXIF turns these images by a quarter, and their masks were drawn on the pixels as stored: "
        f"`{convert_command(folder)} --exif drop`"
    )


def size_text(shape: Sequence[int]) -> str:
    """(height, width, …) as people write a size: "640x480"."""
    return f"{shape[1]}x{shape[0]}"
