"""Collecting the frames that an export names: their images, their splits, and a name for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from edgeunet.data.classes import ClassList
from edgeunet.data.convert.labels.image_search import ImageSearch, unique_names
from edgeunet.data.convert.labels.labelled_frame import (
    ConversionSource,
    FrameImage,
    ImageFile,
    LabelledFrame,
    Labels,
    Splits,
)
from edgeunet.data.pairs import Problem, name_in
from edgeunet.errors import DatasetError


class Frames:
    """The frames of an export so far. root: its folder. images: a folder that has its images, if not `root`."""

    def __init__(self, root: Path, images: Path | None) -> None:
        self._root = images or root
        self._search = ImageSearch(self._root)
        self._frames: dict[str, dict[Path, LabelledFrame]] = defaultdict(dict)
        self._twice: list[Problem] = []
        self._missing: list[Problem] = []
        self._remedy = (
            f"{images} has no such image: give --images the folder that has it"
            if images
            else "the export lacks its images: tick the tool's option that saves images too, or give --images DIR"
        )

    def every(self) -> list[Path]:
        """All images that there are."""
        return self._search.every()

    def find(self, named: str, near: Iterable[str] = ()) -> Path | None:
        """The image of that name, with or without folders; near: names of folders that it is rather in."""
        return self._search.find(named, near)

    def find_stem(self, name: str, near: Iterable[str] = ()) -> Path | None:
        """The same for a name without an ending."""
        return self._search.find_stem(name, near)

    def find_and_add(self, split: str, named: str, labels: Labels, near: Iterable[str] = ()) -> None:
        """Add the frame whose image has that name, or count it as missing."""
        found = self.find(named, near)
        if found is None:
            self.add_missing(named)
        else:
            self.add(split, ImageFile(found), labels)

    def add_missing(self, named: str) -> None:
        self._missing.append(Problem(named or "an image without a name", "is named, but not there", self._remedy))

    def add(self, split: str, image: FrameImage, labels: Labels) -> None:
        frames = self._frames[split]
        if image.path in frames:
            self._twice.append(Problem(name_in(image.path, self._root), "is named twice, with labels of its own each"))
        frames[image.path] = LabelledFrame(image, labels)

    def source(self, classes: ClassList, notes: tuple[str, ...] = ()) -> ConversionSource:
        """All of them; frames without a split are of train if others have one. Raises DatasetError if there is none."""
        if not self._frames and not self._missing:
            raise DatasetError(f"{self._root} has no image with labels: export it again, with its images")
        if "" in self._frames and len(self._frames) > 1:
            self._frames["train"] |= self._frames.pop("")
        self._require_one_split()
        splits: Splits = {}
        for split, frames in self._frames.items():
            names = unique_names(frames, self._root)
            splits[split] = {names[path]: frame for path, frame in frames.items()}
        added = {path for frames in self._frames.values() for path in frames}
        beside = {path.parent for path in added}
        if others := [path for path in self._search.every() if path not in added and path.parent in beside]:
            notes += (
                f"{len(others)} image(s) have no labels and are left out, such as {name_in(others[0], self._root)}",
            )
        return ConversionSource(classes, splits, problems=tuple(self._missing), twice=tuple(self._twice), notes=notes)

    def _require_one_split(self) -> None:
        seen: dict[Path, str] = {}
        for split, frames in self._frames.items():
            for path in frames:
                if (other := seen.setdefault(path, split)) != split:
                    what = f"is named for {other} and for {split}: a frame is in one split only"
                    self._twice.append(Problem(name_in(path, self._root), what))
