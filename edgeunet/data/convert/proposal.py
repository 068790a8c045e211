"""A list of classes to fill in, made from the values or colours of a folder's masks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgeunet.data.classes import EXAMPLE, ClassEntry, ClassList, Color
from edgeunet.data.convert.distinct_colors import distinct_color
from edgeunet.imaging.mask_image import Mask
from edgeunet.spec import IGNORE
from edgeunet.utils.files import write_text

_MOST = 64  # masks with more colours were saved with lossy compression


def proposed(path: Path, masks: Iterable[Mask], output: Path) -> str:
    """Write a list of the masks' classes next to `output`, never over another; returns what to do, for a message."""
    target = output.with_name(f"{output.resolve().name}.classes.json")
    words = ("edgeunet", "data", "convert", str(path), "-o", str(output), "--classes", str(target))
    command = f"`{shlex.join(words)}`"
    if target.exists():
        return f"give your list, {command}"
    values, colors = _contents(masks)
    if max(len(values), len(colors)) > _MOST:
        return f"its masks have more than {_MOST} colours, as after saving as JPEG; write one: {EXAMPLE}"
    listed = _list_of(values, colors, str(target))
    if listed is None:
        return f"its masks have a single colour; write one: {EXAMPLE}"
    write_text(target, listed.to_json(path.resolve().name), force=False)
    return f"wrote {target} with the classes of its masks; fill in the names, then {command}"


def _contents(masks: Iterable[Mask]) -> tuple[set[int], set[int]]:
    """The numbers of all masks, and their colours; no numbers if some mask has none, or all are black and white."""
    values: set[int] = set()
    colors: set[int] = set()
    numbered = True
    for mask in masks:
        numbered = numbered and mask.numbers is not None and not mask.header.palette
        values |= mask.values
        colors |= set(np.unique(mask.colors).tolist())
        if len(colors) > _MOST:
            break
    counted = values - {IGNORE}
    return (counted if numbered and len(counted) > 1 and max(counted) < _MOST else set()), colors


def _list_of(values: set[int], colors: set[int], origin: str) -> ClassList | None:
    """Classes 0 to the largest value, in colours of our own; or one for each colour, the darkest first."""
    found: list[Color]
    if values:
        found = [distinct_color(i) for i in range(max(values) + 1)]
    else:
        found = [(c >> 16, c >> 8 & 255, c & 255) for c in sorted(colors)]
    if len(found) < 2:
        return None
    return ClassList(tuple(ClassEntry(i, f"class_{i}", color) for i, color in enumerate(found)), origin)
