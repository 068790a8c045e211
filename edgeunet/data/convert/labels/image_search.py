"""Finding the image that an export names, wherever the tool or the user has put it."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path, PurePosixPath

from edgeunet.imaging.images import IMAGE_ENDINGS

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NOT_IMAGES = re.compile(r"mask|label|annot|segm|gt", re.IGNORECASE)  # folders whose pictures are rather masks


class ImageSearch:
    """Every image file below a folder, by name. Only files that are there are ever found: a name that leads out of the
    folder, such as "../../x.png" or "C:\\\\data\\\\x.png", counts by its last parts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        self._by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
        for folder, below, files in os.walk(root):
            below[:] = sorted(name for name in below if not name.startswith("."))
            inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
            for name in sorted(files):
                path = inside / name
                if not name.startswith(".") and path.suffix.lower() in IMAGE_ENDINGS:
                    self._by_name[name.lower()].append(path)
                    self._by_stem[path.stem.lower()].append(path)

    def every(self) -> list[Path]:
        """All images."""
        return [self._root / path for paths in self._by_name.values() for path in paths]

    def find(self, named: str, near: Iterable[str] = ()) -> Path | None:
        """The image of that name, with or without folders before it; None if there is none.

        Upper and lower case are the same where only one file fits. Of several the one whose folders are more like the
        name's, then the one of the same case, then of folders like `near`, such as a split's, counts.
        """
        return self._nearest(self._by_name, named, near)

    def find_stem(self, named: str, near: Iterable[str] = ()) -> Path | None:
        """The same for a name without an ending."""
        return self._nearest(self._by_stem, named, near)

    def _nearest(self, among: Mapping[str, list[PurePosixPath]], named: str, near: Iterable[str]) -> Path | None:
        parts = [part for part in re.split(r"[/\\]+", named) if part not in ("", ".", "..")]
        wanted = [part.lower() for part in parts]
        found = among.get(wanted[-1], []) if wanted else []
        around = {split_in(folder) or folder for folder in near}

        def rank(path: PurePosixPath) -> tuple[int, bool, int, int, int, str]:
            above = path.parts[:-1]
            pairs = zip((part.lower() for part in reversed(above)), wanted[-2::-1], strict=False)
            same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
            other_case = parts[-1] not in (path.name, path.stem)
            near_to = len(around & {split_in(folder) or folder for folder in above})
            return -same, other_case, -near_to, _masklike(above), len(above), str(path)

        return self._root / min(found, key=rank) if found else None


def unique_names(paths: Iterable[Path], root: Path) -> dict[Path, str]:
    """A plain name for each file, its own without ending; with its folders before it where two have the same."""
    files = list(dict.fromkeys(paths))
    stems: dict[str, int] = {}
    for file in files:
        stems[file.stem.lower()] = stems.get(file.stem.lower(), 0) + 1
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for file in files:
        inside = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
        name = file.stem if stems[file.stem.lower()] == 1 else "_".join((*inside.parts[:-1], file.stem))
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        names[file] = name
    return names


def split_in(*names: str) -> str:
    """train, val or test, the first that a name such as "instances_train2017" or "valid" says; "" if none does."""
    words = (word for name in names for word in re.split("[^a-z]+", name.lower()))
    return next((_SPLITS[word] for word in words if word in _SPLITS), "")


def _masklike(folders: tuple[str, ...]) -> int:
    return sum(bool(_NOT_IMAGES.search(folder)) for folder in folders)
