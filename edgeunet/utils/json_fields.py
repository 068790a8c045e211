"""The one reader of JSON: text becomes a dataclass, and each field must have its declared type.

Anything wrong with a file (not UTF-8, cut, nested too deep, 1e999, text instead of a number) becomes one error that
names the field.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgeunet.errors import EdgeUNetError, not_found, system_reason
from edgeunet.utils.limits import SIDE

T = TypeVar("T")
LARGEST = 64 << 20  # bytes of a file
SHOWN = 300  # characters of a reason

Whole: TypeAlias = Annotated[int, Meta(ge=0, lt=2**53)]
"""A count, 0 or more."""
Number: TypeAlias = Annotated[float, Meta(ge=-1e300, le=1e300)]
NotNegative: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e300)]
Share: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Side: TypeAlias = Annotated[int, Meta(ge=1, le=SIDE)]
"""Pixels: height or width."""


def read_json(
    path: str | Path,
    kind: type[T],
    *,
    error: type[EdgeUNetError],
    what: str,
    remedy: str,
    schema: str | tuple[str, ...] = "",
    largest: int = LARGEST,
) -> T:
    """A file as `kind`. Raises `error` if it is missing or not `what`, with the reason and the `remedy`.

    schema: the value of its field "schema", or one of several; "" for files without it. largest: bytes.
    """
    path = Path(path)
    if not path.is_file():
        raise error(f"{not_found(path, 'file')}; {remedy}")
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= largest else b""
    except OSError as reason:
        raise error(f"{path} cannot be read ({system_reason(reason)}): {remedy}") from reason
    if size > largest:
        raise error(f"{path} is not {what} ({size >> 20} MB, at most {largest >> 20} are expected): {remedy}")
    return from_json(data, kind, origin=str(path), error=error, what=what, remedy=remedy, schema=schema)


def from_json(
    data: bytes | str,
    kind: type[T],
    *,
    origin: str,
    error: type[EdgeUNetError],
    what: str,
    remedy: str,
    schema: str | tuple[str, ...] = "",
) -> T:
    """JSON text as `kind`, as read_json(). An error of the dataclass itself gets the name of the file."""
    try:
        data = (data.encode() if isinstance(data, str) else data).removeprefix(b"\xef\xbb\xbf")
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ValueError("it is UTF-16: save it as UTF-8")
        if schema:
            _require_schema(data, (schema,) if isinstance(schema, str) else schema)
        return msgspec.json.decode(data, type=kind, dec_hook=_array)
    except EdgeUNetError as reason:
        raise error(f"{origin}: {reason}") from reason
    except (ValueError, RecursionError, OverflowError) as reason:
        raise error(f"{origin} is not {what} ({plain_reason(reason)[:SHOWN]}): {remedy}") from reason


class _Schema(msgspec.Struct):
    schema: str = ""


def _require_schema(data: bytes, expected: tuple[str, ...]) -> None:
    found = msgspec.json.decode(data, type=_Schema).schema
    if found not in expected:
        raise ValueError(f"its schema is {found[:60]!r}, expected {expected[0]!r}" if found else "it has no schema")


def _array(kind: type, value: Any) -> NDArray[np.float64]:
    """(n,) float64 from a list of numbers; null is NaN."""
    if getattr(kind, "__origin__", kind) is not np.ndarray:
        raise TypeError(f"no reader of {kind}")
    if not isinstance(value, list) or not {type(v) for v in value} <= {int, float, type(None)}:
        raise ValueError("Expected a list of numbers")
    array = np.array(value, np.float64)
    if np.isinf(array).any():
        raise ValueError("Number out of range")
    return array


_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def plain_reason(reason: Exception) -> str:
    """The message of msgspec in plain words, with the field first."""
    if isinstance(reason, RecursionError):
        return "it is nested too deep"
    said, _, field = str(reason).partition(" - at ")
    if found := re.fullmatch(r"Object missing required field `(.*)`", said):
        said = f"the field {found[1]!r} is missing"
    said = re.sub(r"`(\w+(?: \| \w+)*)`", lambda m: " or ".join(_NAMES.get(n, n) for n in m[1].split(" | ")), said)
    said = re.sub(r"`([^`]*)`", r"\1", said)
    field = field.replace("`key` in ", "a key of ").replace("`", "").replace("$.", "").replace("$", "")
    field = field.removesuffix(" of ")
    said = said[:1].lower() + said[1:] if said[:4] not in ("JSON", "UTF-") else said
    return f"{field}: {said}" if field else said
