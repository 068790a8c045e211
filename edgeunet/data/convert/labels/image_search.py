"""Finding the image that an export names, wherever the tool or the user has put it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from edgeunet.imaging.images import IMAGE_ENDINGS

_NOT_IMAGES = re.compile(r"mask|label|annot|segm|gt", re.IGNORECASE)  # folders whose pictures are rather masks


class ImageSearch:
    """Every image file below a folder, by name. Only files that are there are ever found: a name that leads out of the
    folder, such as "../../x.png" or "C:\\\\data\\\\x.png", counts by its last parts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_name: dict[str, list[PurePosixPath]] = {}
        for folder, below, files in os.walk(root):
            below[:] = sorted(name for name in below if not name.startswith("."))
            inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
            for name in sorted(files):
                if not name.startswith(".") and PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS:
                    self._by_name.setdefault(name.lower(), []).append(inside / name)

    def find(self, named: str, near: Iterable[str] = ()) -> Path | None:
        """The image of that name, with or without folders before it; None if there is none.

        Of several the one whose folders are more like the name's, then like `near`, such as a split, counts.
        """
        wanted = [part for part in re.split(r"[/\\]+", named) if part not in ("", ".", "..")]
        found = self._by_name.get(wanted[-1].lower(), []) if wanted else []
        around = set(near)

        def rank(path: PurePosixPath) -> tuple[int, int, int, int, str]:
            parts = path.parts
            same = 0
            while same < min(len(parts), len(wanted)) and parts[-1 - same].lower() == wanted[-1 - same].lower():
                same += 1
            return -same, -len(around & set(parts[:-1])), _masklike(parts[:-1]), len(parts), str(path)

        return self.root / min(found, key=rank) if found else None


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


def _masklike(folders: tuple[str, ...]) -> int:
    return sum(bool(_NOT_IMAGES.search(folder)) for folder in folders)
