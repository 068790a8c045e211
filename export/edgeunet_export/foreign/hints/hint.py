"""What one place says of a network, and the readers of values that people and tools write there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeunet.spec import Fit
from edgeunet.utils.limits import SIDE
from edgeunet_export.foreign.preprocessing import Order

Scale = tuple[tuple[float, ...], tuple[float, ...]]  # (mean, std)
_LONGEST = 1 << 16  # characters of a value
_LARGEST = 1e6  # of a mean or std
_NO_NAME = re.compile(r"(label|class|cls)?[_ -]?\d+", re.IGNORECASE)  # what tools write where nobody gave names


@dataclass(frozen=True)
class Hint:
    """What one place says; None or () where it says nothing.

    origin: the place, for messages.
    scale: (mean, std) in the 0–255 of a frame, one value for all channels or one for each, in the network's order.
    names: of the classes, by their index.
    size: (height, width) of the input. fit: how frames get to that size.
    certain: whether the tool writes there what it does itself. If not, labels have to confirm it.
    """

    origin: str
    order: Order | None = None
    scale: Scale | None = None
    names: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    certain: bool = True


def scale_from(mean: Any, std: Any, unit: float = 255.0) -> Scale | None:
    """(mean, std) in 0–255 from numbers or lists of them; None unless they are a scale. unit: what 1.0 means there."""
    means, stds = (values if isinstance(values, (list, tuple)) else [values] for values in (mean, std))
    if len(means) != len(stds) or not 1 <= len(means) <= 4 or not all(map(_is_number, (*means, *stds))):
        return None
    if not all(value > 0 for value in stds) or not _is_number(unit) or unit <= 0:
        return None
    return tuple(unit * value for value in means), tuple(unit * value for value in stds)


def size_from(height: Any, width: Any) -> tuple[int, int] | None:
    """Two sides in pixels; None unless both are."""
    return (height, width) if all(type(side) is int and 0 < side <= SIDE for side in (height, width)) else None


def names_from(value: Any) -> tuple[str, ...]:
    """Names from a list, or from a mapping of 0, 1, 2, … to names; () for anything else and for "LABEL_0"."""
    if isinstance(value, Mapping):
        numbered = {int(key): name for key, name in value.items() if re.fullmatch("[0-9]{1,4}", str(key))}
        if len(numbered) != len(value) or sorted(numbered) != list(range(len(value))):
            return ()
        value = [numbered[index] for index in range(len(value))]
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) and name.strip() for name in value):
        return ()
    return () if all(_NO_NAME.fullmatch(name) for name in value) else tuple(name.strip() for name in value)


def value_of(text: str) -> Any:
    """The value of a text in JSON or as Python writes it; None for any other text."""
    if len(text) > _LONGEST:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST
