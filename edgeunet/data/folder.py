"""The dataset folder: images/<split>/<stem>.jpg|png, masks/<split>/<stem>.png and classes.json."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np

from edgeunet.errors import DatasetError
from edgeunet.frames import UInt8
from edgeunet.spec import IGNORE, ClassInfo

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
Pair = tuple[Path, Path]
_MEMORY = 2 << 30  # bytes of decoded frames that a split keeps
_AT_ONCE = 64  # frames decoded between two looks at the memory
_LISTED = 20  # problems named one by one; of the rest only the number


def read_image(path: str | Path) -> UInt8 | None:
    """An image file as uint8 [h, w, 3] BGR, or None if it cannot be read."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    return decode_image(data)


def decode_image(data: UInt8) -> UInt8 | None:
    """The bytes of an image file, uint8 [n], as uint8 [h, w, 3] BGR, or None if they cannot be decoded."""
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # a header that claims a size beyond all measure
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


@dataclass(frozen=True)
class Sample:
    """One labelled frame, in memory."""

    name: str
    frame: UInt8  # [h, w, 3] BGR
    mask: UInt8  # [h, w] class index, IGNORE where it does not count


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
            raise DatasetError(f"{path}: no such dataset folder")
        if not any(path.iterdir()):
            raise DatasetError(f"{path} is empty: a dataset has images/<split>/, masks/<split>/ and classes.json")
        file = path / "classes.json"
        try:
            entries: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["classes"]
            known = [e for e in entries if not e.get("ignore", False)]
            ignored = tuple(int(e["index"]) for e in entries if e.get("ignore", False))
            classes = tuple(ClassInfo(str(e["name"]), (*map(int, e["color"]),)) for e in known)  # type: ignore[arg-type]
            indices = [int(e["index"]) for e in known]
        except FileNotFoundError as error:
            raise DatasetError(f"{path} has no classes.json (index, name, color and ignore of each class)") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"{file} is not a list of classes with index, name and color ({type(error).__name__}: {error})"
            ) from error
        if indices != list(range(len(indices))) or any(len(c.color) != 3 for c in classes):
            raise DatasetError(
                f"{file}: trained classes must be numbered 0, 1, 2, … in order, with a color of three numbers each"
            )
        if not 2 <= len(classes) < IGNORE:
            raise DatasetError(f"{file}: 2 to {IGNORE - 1} classes are needed, got {len(classes)}")
        return cls(path, classes, ignored)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)

    @property
    def ignore_index(self) -> int | None:
        """The mask value that stands for "ignored" in the files, if the dataset has one."""
        return self.ignored[0] if self.ignored else None

    def splits(self) -> tuple[str, ...]:
        folder = self.path / "images"
        return tuple(sorted(p.name for p in folder.iterdir() if p.is_dir())) if folder.is_dir() else ()

    def image_paths(self, split: str) -> list[Path]:
        """The split's images, sorted by name; raises DatasetError if it has none."""
        folder = self.path / "images" / split
        paths = _files(folder, IMAGE_SUFFIXES)
        if not paths:
            have = ", ".join(self.splits()) or "none"
            raise DatasetError(f"{folder} has no images (.jpg, .png); splits of this dataset: {have}")
        return paths

    def load(self, split: str) -> Split:
        """Every frame of a split with its mask, decoded once and checked.

        Raises DatasetError that lists all problems at once: files without a partner, images that
        cannot be read, sizes that differ, mask values that classes.json does not have.
        """
        images = self.image_paths(split)
        masks = {p.stem: p for p in _files(self.path / "masks" / split, (".png",))}
        stems = [p.stem for p in images]
        problems = [f"images/{split}/{p.name}: no mask of that name" for p in images if p.stem not in masks]
        problems += [f"masks/{split}/{m.name}: no image of that name" for s, m in masks.items() if s not in set(stems)]
        problems += [f"images/{split}/{s}: two images of that name" for s in sorted(_repeated(stems))]
        pairs = [(p, masks[p.stem]) for p in images if p.stem in masks]
        loaded = Split(self.read, pairs)
        problems += loaded.problems
        if problems:
            shown = "".join(f"\n  {p}" for p in problems[:_LISTED])
            more = f"\n  and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
            raise DatasetError(f"{self.path} has {len(problems)} problem(s), mend or remove these files:{shown}{more}")
        return loaded

    def sha256(self, split: str) -> str:
        """Hash of the split's file names and contents, and of classes.json: the same data, the same hash."""
        digest = hashlib.sha256()
        masks = _files(self.path / "masks" / split, (".png",))
        for path in [self.path / "classes.json", *self.image_paths(split), *masks]:
            digest.update(path.relative_to(self.path).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def read(self, pair: Pair) -> Sample | str:
        """Decode an image and its mask, or say what is wrong with them."""
        image_path, mask_path = pair
        where = image_path.relative_to(self.path).as_posix()
        frame = read_image(image_path)
        if frame is None:
            return f"{where}: cannot be read as an image ({image_path.stat().st_size} bytes)"
        raw = mask_path.read_bytes()
        mask = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED) if raw else None
        where = mask_path.relative_to(self.path).as_posix()
        if mask is None:
            return f"{where}: cannot be read as an image ({len(raw)} bytes)"
        if mask.ndim != 2 or mask.dtype != np.uint8:
            return f"{where}: is {mask.dtype} {list(mask.shape)}, must be 8-bit with one channel (class index)"
        if mask.shape != frame.shape[:2]:
            return f"{where}: {_size(mask.shape)}, but its image is {_size(frame.shape)}"
        allowed = np.zeros(256, bool)
        allowed[: len(self.classes)] = True
        allowed[list(self.ignored)] = True
        allowed[IGNORE] = True
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        if strangers := [int(v) for v in present if not allowed[v]]:
            return f"{where}: values {_some(strangers)} are not in classes.json"
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.classes)] = np.arange(len(self.classes))
        return Sample(image_path.stem, frame, table[mask])


class Split(Sequence[Sample]):
    """The samples of one split: kept in memory as far as _MEMORY allows, read again from disk beyond that."""

    def __init__(self, read: Callable[[Pair], Sample | str], pairs: Sequence[Pair]) -> None:
        self._read = read
        self._pairs = pairs
        self._kept: dict[int, Sample] = {}
        self.problems: list[str] = []
        room = _MEMORY
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(pairs), _AT_ONCE):
                for index, sample in enumerate(pool.map(read, pairs[start : start + _AT_ONCE]), start):
                    if isinstance(sample, str):
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
        if isinstance(sample, str):
            raise DatasetError(f"{sample}; the file has changed since it was checked")
        return sample


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))


def _repeated(names: Sequence[str]) -> set[str]:
    seen: set[str] = set()
    return {n for n in names if n in seen or seen.add(n)}  # type: ignore[func-returns-value]


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _some(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:5])) + (", …" if len(values) > 5 else "")
