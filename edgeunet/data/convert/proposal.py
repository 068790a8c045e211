"""A list of classes to fill in, made from the values or colours of masks: what each is, and its share of the pixels."""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

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
        return f'its masks have a single value or colour; give a list with the header "{HEADER}" with --classes'
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
    numbers, colors = Counter[int](), Counter[int]()
    numbered, read = True, 0
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in bar.track(pool.map(_counted, masks), total=len(masks), description="reading masks"):
            if isinstance(found, _Counted):
                read += 1
                numbered = numbered and found.numbered
                numbers += found.numbers
                colors += found.colors
            else:
                problem = found
    if not read:
        raise DatasetError(f"no mask can be read; {problem}")
    counted = numbers.keys() - {IGNORE}
    if numbered and len(counted) > 1 and max(counted) < _MOST:
        return MaskContents(dict(sorted(numbers.items())), numbers=True)
    if len(colors) <= _MOST:
        return MaskContents(dict(sorted(colors.items())))
    return _frequent(colors)


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
    """Pixels of a mask by number and by colour."""

    numbers: Counter[int]
    colors: Counter[int]
    numbered: bool = False


def _counted(file: Path) -> _Counted | ImageError:
    try:
        mask = read_mask(file)
        colors = Counter(dict(zip(*(a.tolist() for a in np.unique(mask.colors, return_counts=True)), strict=True)))
    except ImageError as error:
        return error  # that it is damaged is said when it is converted
    if mask.numbers is None:
        return _Counted(Counter(), colors)
    numbers = Counter(dict(zip(*(a.tolist() for a in np.unique(mask.numbers, return_counts=True)), strict=True)))
    return _Counted(numbers, colors, numbered=not mask.header.palette)


def _frequent(colors: Counter[int]) -> MaskContents:
    """The colours that were there before losses made others of them."""
    total = colors.total()
    chosen: dict[int, int] = {}
    for code, pixels in colors.most_common(1 << 14):
        level = np.array([code >> 16, code >> 8 & 255, code & 255])
        others = np.array([[c >> 16, c >> 8 & 255, c & 255] for c in chosen]).reshape(-1, 3)
        if pixels < _LEAST * total or len(chosen) == _MOST:
            break
        if not (((others - level) ** 2).sum(1) < _ALIKE**2).any():
            chosen[code] = pixels
    return MaskContents(dict(sorted(chosen.items())), 1 - sum(chosen.values()) / total)
