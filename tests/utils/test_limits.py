from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeunet.errors import UsageError
from edgeunet.utils.limits import milliseconds_from_text, require_in


@given(st.none() | st.integers() | st.floats() | st.just(10**400), st.booleans())
def test_a_number_lies_in_its_range_or_its_option_is_named(value: float | None, above: bool) -> None:
    if value is None or (0 < value <= 100 or (value == 0 and not above)):
        require_in("--size", value, 0, 100, above=above)
        return
    with pytest.raises(UsageError, match=r"^--size is (from 0 to|above 0 and at most) 100, got .{1,40}$"):
        require_in("--size", value, 0, 100, above=above)


def test_a_time_has_a_unit() -> None:
    times = {"10ms": 10.0, "0.5s": 500.0, "2 s": 2000.0, "1.25ms": 1.25}
    assert {text: milliseconds_from_text("--sync", text) for text in times} == times
    for wrong in ("10", "", "ms", "-1ms", "1e3ms", "10m", "10 min", "nan ms", "1" * 30 + "ms"):
        with pytest.raises(UsageError, match=r"^--sync is a time such as 10ms or 0\.05s, got "):
            milliseconds_from_text("--sync", wrong)
