from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeunet.camera.state.mask_state import GOOD_MASKS, ORDER, Finding, MaskState, StateReport
from edgeunet.camera.state.tracker import DEADLINE_NS, MISSED, StateTracker

MS = 1_000_000
EVERY_MS = 33
FRESH, BLACK = Finding(MaskState.FRESH), Finding(MaskState.FROZEN, "black")


def tracker_of(masks: int = 10, *, live: bool = True, deadline_ms: int | None = None) -> tuple[StateTracker, int]:
    """One that has seen masks at 30 fps, each 10 ms old; and the time of the last one, in ns."""
    tracker = StateTracker("it", live=live, deadline_ns=None if deadline_ms is None else deadline_ms * MS)
    tracker.begin(0)
    now = 0
    for number in range(masks):
        now = (number + 1) * EVERY_MS * MS
        tracker.published(now - 10 * MS, now, FRESH)
    return tracker, now


def test_a_mask_older_than_the_deadline_is_late_and_the_next_good_ones_end_that() -> None:
    tracker, now = tracker_of(deadline_ms=20)
    late = tracker.published(now, now + 21 * MS, FRESH)
    assert late == Finding(MaskState.LATE, "21 ms old, the deadline is 20 ms")
    states = [tracker.published(now + n * MS, now + (n + 1) * MS, FRESH).state for n in range(GOOD_MASKS)]
    assert states == [MaskState.LATE] * (GOOD_MASKS - 1) + [MaskState.FRESH]


def test_between_masks_at_their_usual_pace_there_is_nothing_to_say() -> None:
    tracker, now = tracker_of()
    assert tracker.report(now + EVERY_MS * MS) is None
    assert tracker.due_ns() == now + DEADLINE_NS * 9 // 10


def test_silence_is_said_again_and_again_with_the_age_of_the_last_mask() -> None:
    tracker, now = tracker_of()
    assert tracker.report(now + 90 * MS) == StateReport("it", FRESH, 100 * MS)
    assert tracker.report(now + 100 * MS) is None  # said already
    silent = Finding(MaskState.NONE, "no mask for 0.1 s")
    assert tracker.report(now + 101 * MS) == StateReport("it", silent, 111 * MS)  # as soon as there is none
    assert tracker.due_ns() == now + 101 * MS + DEADLINE_NS * 9 // 10
    stats = tracker.stats(now + 101 * MS)
    assert (stats.finding, stats.age_ns) == (silent, 111 * MS)
    assert stats.counts == {MaskState.NONE: 1, MaskState.FRESH: 10 - GOOD_MASKS + 1}, "not those of the start"


def test_silence_is_left_after_some_masks() -> None:
    tracker, now = tracker_of()
    tracker.report(now + 1000 * MS)
    states = [tracker.published(now + n * MS, now + n * MS, FRESH).state for n in range(1001, 1001 + GOOD_MASKS)]
    assert states == [MaskState.NONE] * (GOOD_MASKS - 1) + [MaskState.FRESH]


def test_with_a_deadline_the_last_mask_becomes_late_and_then_there_is_none() -> None:
    tracker, now = tracker_of(deadline_ms=40)
    gone_ms = EVERY_MS * MISSED + 1
    found = [tracker.report(now + after * MS) for after in (36, 72, gone_ms)]
    assert [report.finding.state for report in found if report] == [MaskState.LATE, MaskState.LATE, MaskState.NONE]
    assert tracker.due_ns() == now + (gone_ms + 36) * MS  # each time before the deadline is over


def test_a_slow_camera_is_not_missing_between_two_of_its_frames() -> None:
    tracker = StateTracker("it", live=True)
    tracker.begin(0)
    for second in range(1, 11):
        tracker.published(second * 1000 * MS, second * 1000 * MS, FRESH)
    assert tracker.stats(12_900 * MS).finding == FRESH
    assert tracker.stats(13_100 * MS).finding.state is MaskState.NONE


@pytest.mark.parametrize(("every_ms", "deadline_ms"), [(111, None), (33, 30), (1000, None)])
def test_a_camera_whose_masks_come_more_slowly_than_its_reports_leaves_none(
    every_ms: int, deadline_ms: int | None
) -> None:
    tracker, _ = tracker_of(0, deadline_ms=deadline_ms)
    now, found = 0, []
    for _ in range(3 * GOOD_MASKS):
        masked = now + every_ms * MS
        while (due := tracker.due_ns()) is not None and due < masked:
            tracker.report(due)
        now = masked
        found.append(tracker.published(now, now, FRESH).state)
    assert found[2 * GOOD_MASKS :] == [MaskState.FRESH] * GOOD_MASKS


def test_a_source_that_never_gave_a_mask_says_so() -> None:
    tracker = StateTracker("it", live=True)
    tracker.begin(7 * MS)
    report = tracker.report(507 * MS)
    assert report == StateReport("it", Finding(MaskState.NONE, "no mask for 0.5 s"), None)


def test_a_file_and_a_source_that_has_ended_are_never_silent() -> None:
    file, now = tracker_of(live=False)
    ended, _ = tracker_of()
    ended.end()
    for tracker in (file, ended):
        assert tracker.report(now + 10_000 * MS) is None
        assert tracker.due_ns() is None
        assert tracker.stats(now + 10_000 * MS).finding == FRESH


def test_a_fault_of_the_picture_is_worse_than_being_late() -> None:
    tracker, now = tracker_of(deadline_ms=20)
    state = tracker.published(now, now + 50 * MS, BLACK)
    assert state == BLACK


MASKS = st.lists(
    st.tuples(
        st.integers(1, 900),
        st.integers(0, 90),
        st.sampled_from([FRESH, BLACK, Finding(MaskState.LOW_CONFIDENCE, "0.5")]),
    ),
    min_size=1,
    max_size=40,
)


@given(MASKS, st.one_of(st.none(), st.integers(20, 200)))
def test_whatever_comes_the_state_is_said_in_time_never_too_good_and_left_again(
    masks: list[tuple[int, int, Finding]], deadline_ms: int | None
) -> None:
    """masks: the ms since the one before, how old it is, and what is found in it."""
    tracker = StateTracker("it", live=True, deadline_ns=None if deadline_ms is None else deadline_ms * MS)
    tracker.begin(0)
    now = said = 0
    for gap_ms, age_ms, found in [*masks, *[(10, 0, FRESH)] * GOOD_MASKS]:
        mask_ns = now + gap_ms * MS
        while (due := tracker.due_ns()) is not None and due < mask_ns:
            report = tracker.report(due)
            assert report is not None
            assert due - said <= (deadline_ms * MS if deadline_ms else DEADLINE_NS)
            assert (
                report.age_ns is None
                or deadline_ms is None
                or report.age_ns <= deadline_ms * MS
                or (ORDER[report.finding.state] <= ORDER[MaskState.LATE])
            )
            said = due
        state = tracker.published(mask_ns - age_ms * MS, mask_ns, found)
        assert ORDER[state.state] <= ORDER[found.state]
        now = said = mask_ns
    assert state == FRESH
    assert tracker.stats(now).finding == FRESH
