"""Values out of a JSON file, each of exactly the type it must have: TypeError or ValueError says what stood there."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def only(kind: type[T], value: Any) -> T:
    """The value, if it is of this very type: true is no number."""
    if type(value) is not kind:
        raise TypeError(f"{str(value)[:40]!r} where {kind.__name__} is expected")
    return value


def moment(value: Any) -> str:
    """A time with its zone, as ISO 8601 writes it."""
    text = only(str, value)
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise ValueError(f"the time {text[:40]!r} where UTC in ISO 8601 is expected")
    return text


def optional(value: Any) -> float | None:
    """A number, or null."""
    return None if value is None else float(value)


def numbers(values: Any) -> NDArray[np.float64]:
    """(n,) from a list of numbers; null is NaN."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise ValueError("samples are a list of numbers")
    return array
