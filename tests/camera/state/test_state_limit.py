from __future__ import annotations

import pytest

from edgeunet.camera.state.mask_state import MaskState, StateStats
from edgeunet.camera.state.state_limit import StateLimit, require_states
from edgeunet.errors import EdgeUNetError, UsageError


def test_a_state_and_a_share_are_read() -> None:
    assert StateLimit.parse("late:0.01") == StateLimit(MaskState.LATE, 0.01)
    assert StateLimit.parse("low confidence:1") == StateLimit.parse("low-confidence:1.0")


@pytest.mark.parametrize(
    "text", ["", "late", "late:", "late:x", "late:-0.1", "late:1.1", "late:nan", "tired:0.1", ":1"]
)
def test_anything_else_is_one_line_with_the_states(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"^--fail-on is STATE:SHARE .* none, frozen, late, unfamiliar, low confidence"
    ):
        StateLimit.parse(text)


def test_a_source_with_more_than_its_share_fails_the_run() -> None:
    front = StateStats(counts={MaskState.FRESH: 90, MaskState.LATE: 10})
    stats = {"front": front, "back": StateStats(counts={MaskState.FRESH: 5})}
    require_states(stats, [StateLimit(MaskState.LATE, 0.1), StateLimit(MaskState.NONE, 0.0)])
    with pytest.raises(
        EdgeUNetError, match=r"10\.00 % of the masks of front were late, more than the 9 % of --fail-on"
    ):
        require_states(stats, [StateLimit(MaskState.LATE, 0.09)])


def test_a_source_without_a_mask_has_none() -> None:
    with pytest.raises(EdgeUNetError, match=r"100\.00 % of the masks of it were none"):
        require_states({"it": StateStats()}, [StateLimit(MaskState.NONE, 0.5)])
