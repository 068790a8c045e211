from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeunet.errors import UsageError
from edgeunet.utils.limits import require_in


@given(st.none() | st.integers() | st.floats() | st.just(10**400), st.booleans())
def test_a_number_lies_in_its_range_or_its_option_is_named(value: float | None, above: bool) -> None:
    if value is None or (0 < value <= 100 or (value == 0 and not above)):
        require_in("--size", value, 0, 100, above=above)
        return
    with pytest.raises(UsageError, match=r"^--size is (from 0 to|above 0 and at most) 100, got .{1,40}$"):
        require_in("--size", value, 0, 100, above=above)
