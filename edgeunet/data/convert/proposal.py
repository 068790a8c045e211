"""A list of classes to fill in, made from the values or colours of masks: what each is, and its share of the pixels."""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.distinct_colors import distinct_color
from edgeunet.data.convert.labels.mask_classes import HEADER
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.images import is_image_name
from edgeunet.imaging.mask_image import read_mask
from edgeunet.spec import IGNORE
from edgeunet.utils import console
from edgeunet.utils.files import require_writable, write_text

_MOST = 64  # masks with more colours were saved with losses, or made smaller
_ALIKE = 32.0  # levels: a colour so near to a more frequent one is what losses have made of it
_LEAST = 0.001  # share of the pixels of a colour among many


class MaskContents(NamedTuple):
    """Pixels of each number, or of each colour 0xRRGGBB, of all masks together.

    left_out: share of the pixels whose colours are not listed, because there are too many.
    """

    pixels: dict[int, int]
    left_out: float = 0.0
    numbers: bool = False


def propose(request: Request, found: MaskContents) -> str:
    """Write a list of the masks' classes next to the output, never over another; returns what to do, for a message."""
    path, output = request.path, request.target
    target = output.with_name(f"{output.resolve().name}.classes.csv")
    words = ["edgeunet", "data", "convert", str(path), "-o", str(output), "--classes", str(target)]
    if target.exists():
        return f"give your list, `{shlex.join(words)}`"
    if len(found.pixels) < 2:
        what = "no two frequent colours, as photos have" if found.left_out else "a single value or colour"
        return f'its masks have {what}; give a list with the header "{HEADER}" with --classes'
    write_text(target, list_text(found), force=False)
    words += ["--nearest"] if found.left_out else []
    return f"wrote {target} with the classes of its masks; fill in the names, then `{shlex.join(words)}`"


def write_list(path: Path, target: Path, *, force: bool) -> MaskContents:
    """Write a list of the values or colours of the mask file, or of all in a folder, to `target`.

    Raises DatasetError if there are none, OutputError.
    """
    require_writable(target, force=force)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder")
    found = contents_of(mask_files(path))
    if not found.pixels:
        raise DatasetError(f"{path} has no frequent colours, as photos have: give the folder that has the masks")
    write_text(target, list_text(found), force=force)
    return found


def mask_files(path: Path) -> list[Path]:
    """A mask file, or all below a folder; only those in a folder named masks if it has one."""
    if not path.is_dir():
        return [path]
    root = path / "masks" if (path / "masks").is_dir() else path
    files = []
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        files += [Path(folder) / name for name in sorted(names) if is_image_name(Path(name))]
    if not files:
        raise DatasetError(f"{root} has no masks: give the folder that has them")
    return files


def contents_of(masks: Sequence[Path]) -> MaskContents:
    """Numbers, if all masks have some and no palette or several classes in black and white; else colours.

    Raises DatasetError if no mask can be read.
    """
    numbers, colors = np.zeros(256, np.int64), np.zeros(1 << 24, np.int64)  # so many masks of any colours take no more
    numbered, problem, read = True, "", 0
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in bar.track(pool.map(_counted, masks), total=len(masks), description="reading masks"):
            if isinstance(found, ImageError):
                problem = str(found)
                continue
            read += 1
            numbered = numbered and found.numbered
            numbers += found.numbers
            colors[found.colors] += found.pixels
    if not read:
        raise DatasetError(f"no mask can be read; {problem}")
    counted = np.flatnonzero(numbers[:IGNORE])
    if numbered and len(counted) > 1 and counted[-1] < _MOST:
        return MaskContents(_present(numbers), numbers=True)
    if np.count_nonzero(colors) <= _MOST:
        return MaskContents(_present(colors))
    return _frequent(colors)


def _present(pixels: NDArray[np.int64]) -> dict[int, int]:
    return {code: int(pixels[code]) for code in np.flatnonzero(pixels).tolist()}


def list_text(found: MaskContents) -> str:
    """The text of a .csv that read_mask_classes() reads."""
    total = sum(found.pixels.values()) or 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*HEADER.split(","), "share"])
    for index, (value, pixels) in enumerate(found.pixels.items()):
        share = f"{100 * pixels / total:.2f} %"
        if not found.numbers:
            writer.writerow([f"{value >> 16},{value >> 8 & 255},{value & 255}", f"class_{index}", "", "no", share])
        elif value == IGNORE:
            writer.writerow([value, "ignored", "", "yes", share])
        else:
            red, green, blue = distinct_color(index)
            writer.writerow([value, f"class_{index}", f"#{red:02x}{green:02x}{blue:02x}", "no", share])
    return text.getvalue()


class _Counted(NamedTuple):
    """A mask: (256,) pixels of each number, the colours 0xRRGGBB that occur, and the pixels of each."""

    numbers: NDArray[np.int64]
    colors: NDArray[np.int32]
    pixels: NDArray[np.int64]
    numbered: bool


def _counted(file: Path) -> _Counted | ImageError:
    try:
        mask = read_mask(file)
        colors, pixels = np.unique(mask.colors, return_counts=True)
    except ImageError as error:
        return error  # that it is damaged is said when it is converted
    if mask.numbers is None:
        return _Counted(np.zeros(256, np.int64), colors, pixels, numbered=False)
    numbers = np.bincount(mask.numbers.ravel(), minlength=256)
    return _Counted(numbers, colors, pixels, numbered=not mask.header.palette)


def _frequent(colors: NDArray[np.int64]) -> MaskContents:
    """The colours that were there before losses made others of them."""
    total = int(colors.sum())
    often = np.flatnonzero(colors >= max(1, _LEAST * total))
    chosen: dict[int, int] = {}
    for code in often[np.argsort(-colors[often], kind="stable")].tolist():
        level = np.array([code >> 16, code >> 8 & 255, code & 255])
        others = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in chosen]).reshape(-1, 3)
        if len(chosen) < _MOST and not (((others - level) ** 2).sum(1) < _ALIKE**2).any():
            chosen[code] = int(colors[code])
    return MaskContents(dict(sorted(chosen.items())), 1 - sum(chosen.values()) / total)
