"""What is left to `make test-all`, and what needs another machine."""

from __future__ import annotations

from typing import Any

import pytest

from edgeunet.board.machine import int8_instructions

# Without them x86 adds two products of 8 bits in 16, where they saturate.
exact_int8 = pytest.mark.skipif(
    not int8_instructions(), reason="this CPU has no INT8 instructions (VNNI): sums saturate"
)


def slow(*cases: Any) -> list[Any]:
    """Cases of a parametrised test that are slow; a tuple has a value for each name."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow) for case in cases]
