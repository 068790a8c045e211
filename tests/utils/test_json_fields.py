from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeunet.errors import RecordError
from edgeunet.utils.json_fields import Whole, from_json, read_json


@dataclass(frozen=True)
class Inner:
    number: float
    count: Whole = 0

    def __post_init__(self) -> None:
        if self.number == 13:
            raise RecordError("thirteen is no number")


@dataclass(frozen=True, eq=False)
class Outer:
    inner: tuple[Inner, ...]
    times_ms: NDArray[np.float64]
    kind: Literal["a", "b"] = "a"
    stages: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    text: str | None = None


VALID: dict[str, Any] = {"inner": [{"number": 1.5, "count": 2}], "times_ms": [1, 2.5, None], "stages": {"x": [1]}}


def _read(data: bytes | str) -> Outer:
    return from_json(data, Outer, origin="r.json", error=RecordError, what="a record", remedy="measure again")


def test_a_valid_file_becomes_the_dataclass(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({**VALID, "later": {}}).encode())  # a mark of byte order, a new field
    read = read_json(path, Outer, error=RecordError, what="a record", remedy="measure again")
    assert read.inner == (Inner(1.5, 2),)
    np.testing.assert_array_equal(read.times_ms, [1, 2.5, np.nan])
    assert read.stages["x"].dtype == np.float64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"inner": [{"number": "1"}]}, r"inner\[0\]\.number: expected a number, got text"),
        ({"inner": [{"number": 1, "count": -1}]}, r"inner\[0\]\.count: expected a whole number >= 0"),
        ({"inner": [{"number": 1, "count": True}]}, "expected a whole number, got true or false"),
        ({"inner": [{}]}, "the field 'number' is missing"),
        ({"inner": [{"number": 13}]}, "r.json: thirteen is no number"),
        ({"times_ms": [1, "2"]}, "times_ms: expected a list of numbers"),
        ({"times_ms": [True]}, "times_ms: expected a list of numbers"),
        ({"kind": "c"}, "kind: invalid"),
        ({"text": 3}, "text: expected text or null"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(change: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordError, match=says) as caught:
        _read(json.dumps({**VALID, **change}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (dict[int, str], '{"x": "a"}', r"\(a key: expected a whole number, got text\)"),
        (
            dict[str, dict[int, str]],
            '{"names": {"x": "a"}}',
            r"\(a key of \[...\]: expected a whole number, got text\)",
        ),
    ],
)
def test_a_wrong_key_is_said(kind: type[Any], text: str, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        from_json(text, kind, origin="r.json", error=RecordError, what="a record", remedy="measure again")


def test_text_of_windows_editors_is_named() -> None:
    with pytest.raises(RecordError, match="it is UTF-16: save it as UTF-8"):
        _read(json.dumps(VALID).encode("utf-16"))


@pytest.mark.parametrize(
    "text",
    [
        '{"inner": [], "times_ms": [1e999]}',
        '{"inner": [{"number": 1e999}], "times_ms": []}',
        '{"inner": [{"number": NaN}], "times_ms": []}',
        '{"inner": [], "times_ms": [' + "9" * 5000 + "]}",
        '{"inner": [], "times_ms": [' + "9" * 400 + "]}",
        '{"inner": [], "x": ' + "[" * 100_000,
        "[" * 100_000,
        "",
        "null",
        '{"inner": [], "text": "\ud800", "times_ms": []}',
        b'{"inner": [], "text": "\xe9", "times_ms": []}',
        b'{"inner": [], "times_ms": []',
    ],
)
def test_what_is_no_such_file_ends_in_one_line(text: bytes | str) -> None:
    with pytest.raises(RecordError, match=r"^r\.json is not a record \(.*\): measure again$"):
        _read(text)


def test_another_schema_a_missing_file_and_a_huge_one_are_said(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    options: Any = {"error": RecordError, "what": "a record", "remedy": "measure again"}
    with pytest.raises(RecordError, match="no such file; measure again"):
        read_json(path, Outer, **options)
    path.write_text(json.dumps({"schema": "record/1", **VALID}))
    with pytest.raises(RecordError, match="'record/1', expected 'record/2'"):
        read_json(path, Outer, schema=("record/2", "record/0"), **options)
    assert read_json(path, Outer, schema=("record/2", "record/1"), **options).kind == "a"
    with path.open("r+") as file:
        file.truncate(65 << 20)
    with pytest.raises(RecordError, match="at most 64 are expected"):
        read_json(path, Outer, **options)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@pytest.mark.slow
@given(st.fixed_dictionaries({"inner": _values, "times_ms": _values}, optional={"stages": _values, "kind": _values}))
def test_any_json_ends_in_the_dataclass_or_in_our_error(value: dict[str, Any]) -> None:
    try:
        read = _read(json.dumps(value))
    except RecordError:
        return
    assert isinstance(read.times_ms, np.ndarray)


@given(st.binary())
def test_any_bytes_end_in_our_error(data: bytes) -> None:
    with pytest.raises(RecordError):
        _read(data)
