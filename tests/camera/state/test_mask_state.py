from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeunet.camera.state.mask_state import (
    GOOD_MASKS,
    ORDER,
    STARTING,
    Finding,
    MaskState,
    StateMachine,
    StateStats,
    worst,
)

STATES = st.lists(st.sampled_from(list(MaskState)), min_size=1, max_size=60)


def held(states: list[MaskState], *, live: bool) -> list[MaskState]:
    machine = StateMachine(live=live)
    return [machine.step(Finding(state)).state for state in states]


def test_the_worst_is_the_first_in_the_list_and_the_latest_of_equals() -> None:
    assert [str(state) for state in MaskState] == [
        "none", "frozen", "late", "unfamiliar", "low confidence", "unknown", "fresh",
    ]  # fmt: skip
    late, frozen = Finding(MaskState.LATE), Finding(MaskState.FROZEN, "black")
    assert worst(late, frozen, late) == frozen
    assert worst(Finding(MaskState.LATE, "60 ms"), Finding(MaskState.LATE, "70 ms")).reason == "70 ms"
    assert (str(frozen), str(late)) == ("frozen (black)", "late")


@given(STATES, st.booleans())
def test_no_state_is_better_than_what_was_found_in_the_latest_masks(states: list[MaskState], live: bool) -> None:
    """So a bad one is entered at once, and a mask that is bad is never called good."""
    for number, state in enumerate(held(states, live=live)):
        assert all(ORDER[state] <= ORDER[found] for found in states[max(0, number - GOOD_MASKS + 1) : number + 1])


@given(STATES, st.sampled_from(list(MaskState)), st.booleans())
def test_whatever_was_found_a_state_is_left_after_as_many_better_masks(
    states: list[MaskState], last: MaskState, live: bool
) -> None:
    after = held(states + [last] * GOOD_MASKS, live=live)
    assert after[-1] is last
    assert all(ORDER[state] <= ORDER[last] for state in after[len(states) :])


@given(STATES)
def test_a_better_mask_alone_changes_nothing(states: list[MaskState]) -> None:
    bad = [MaskState.FROZEN] * GOOD_MASKS
    good = [MaskState.FRESH] * (GOOD_MASKS - 1)
    assert held([*states, *bad, *good], live=True)[-1] is held([*states, *bad], live=True)[-1]


def test_a_live_source_has_to_show_some_masks_first() -> None:
    machine = StateMachine(live=True)
    assert [machine.step(Finding(MaskState.FRESH)) for _ in range(GOOD_MASKS - 1)] == [STARTING] * (GOOD_MASKS - 1)
    assert machine.step(Finding(MaskState.FRESH)).state is MaskState.FRESH
    assert held([MaskState.FRESH], live=False) == [MaskState.FRESH]


def test_shares_are_of_all_that_was_counted() -> None:
    stats = StateStats(counts={MaskState.FRESH: 3, MaskState.NONE: 1})
    assert [stats.share(state) for state in (MaskState.FRESH, MaskState.NONE, MaskState.LATE)] == [0.75, 0.25, 0.0]
    assert [StateStats().share(state) for state in (MaskState.NONE, MaskState.FRESH)] == pytest.approx([1.0, 0.0])
