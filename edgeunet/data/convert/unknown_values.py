"""The message about colours, values or labels that the list of classes does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.labels.labelled_frame import ConversionSource, FrameLabels
from edgeunet.data.convert.labels.mask_classes import holds_numbers
from edgeunet.data.pairs import name_in
from edgeunet.utils.formatting import percentage

_SHOWN = 5
LOSSY = (
    "masks that are saved as JPEG lose the numbers of their classes: export them again as PNG; only where these are "
    "far apart, as in black and white, `edgeunet data classes` writes a list of colours, to give with --nearest"
)


class UnknownIn(NamedTuple):
    """The file of a frame's labels, and what they say but for the pixels."""

    file: Path
    labels: FrameLabels


def unknown_text(path: Path, source: ConversionSource, found: Sequence[UnknownIn], pixels: NDArray[np.int64]) -> str:
    """What is unknown, where, and the remedy. found: the frames with something unknown. pixels: (256,) by value."""
    classes = source.classes
    unknown = sum((labels.unknown for _, labels in found), Counter[str]())
    kind = found[0].labels.kind
    first = {name: one for one in reversed(found) for name in one.labels.unknown}
    lines = []
    for name, count in unknown.most_common(_SHOWN):
        file, labels = first[name]
        deep = f" ({labels.bits}-bit)" if labels.bits > 8 else ""
        lines.append(f"\n  {name}: {count} pixels, first in {name_in(file, path)}{deep}")
    more = f"\n  and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    share = (
        f"{len(unknown)} {kind}(s) that {classes.origin} does not have, "
        f"{percentage(unknown.total() / int(pixels.sum()))} % of all pixels"
    )
    return f"{path} has {share}:{''.join(lines)}{more}\n{_remedy(source, found, len(unknown), pixels)}"


def _remedy(source: ConversionSource, found: Sequence[UnknownIn], unknown: int, pixels: NDArray[np.int64]) -> str:
    classes = source.classes
    in_colors = found[0].labels.kind == "colour"
    if in_colors and holds_numbers([labels.numbers for _, labels in found], source.numbers, classes):
        return "these look like class indices: give --layout indices"
    if not in_colors and any(labels.lossy for _, labels in found):
        return LOSSY
    remedy = "add each to the list of classes, or leave these pixels out with --ignore-unknown"
    absent = [c.name for i, c in enumerate(classes.classes) if not pixels[i]]
    if in_colors and len(absent) == unknown:
        remedy = (
            f"no mask has {', '.join(absent)}: if the colours above mean that, change its color in {classes.origin}; "
            f"else {remedy}"
        )
    if in_colors and unknown > len(classes.entries):
        remedy += (
            "; masks that were once saved as JPEG or made smaller have such colours at their edges: --nearest takes "
            "the nearest of the list"
        )
    return remedy
