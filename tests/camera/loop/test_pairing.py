"""Which frames belong together, by their times alone."""

from __future__ import annotations

import pytest

from edgeunet.camera.loop.pairing import Arrived, NextFrames, choose_live, choose_of_files

BOUND = 10


def at(*times: int) -> list[Arrived]:
    return [Arrived(time, time) for time in times]


@pytest.mark.parametrize(
    ("waiting", "now", "choice"),
    [
        ([at(100), at(104)], 105, NextFrames({0: 0, 1: 0})),
        ([at(100), at(110)], 110, NextFrames({0: 0, 1: 0})),
        ([at(100), at(111)], 110, NextFrames({0: 0})),  # its time is over, the other's is not
        ([at(100), []], 105, NextFrames({}, 110)),
        ([at(100), []], 110, NextFrames({0: 0})),
        ([[], []], 500, NextFrames({}, None)),
        # of two pairs the newer one, in which each has its latest frame
        ([at(100, 133), at(101, 134)], 135, NextFrames({0: 1, 1: 1})),
        ([at(98, 100), at(101)], 102, NextFrames({0: 1, 1: 0})),
        # the session was busy: the pair that is there comes before the frame whose match may still come
        ([at(100, 133), at(101)], 134, NextFrames({0: 0, 1: 0})),
        # time over for the old one, and the newer one has nothing yet: the old one goes alone
        ([at(133), at(101)], 134, NextFrames({1: 0})),
    ],
)
def test_two_cameras(waiting: list[list[Arrived]], now: int, choice: NextFrames) -> None:
    assert choose_live(waiting, [0, 1], now, BOUND) == choice


def test_of_three_cameras_two_go_together_when_the_third_does_not_come() -> None:
    waiting = [at(100), at(103), []]
    assert choose_live(waiting, [0, 1, 2], 109, BOUND) == NextFrames({}, 110)
    assert choose_live(waiting, [0, 1, 2], 110, BOUND) == NextFrames({0: 0, 1: 0})
    assert choose_live(waiting, [0, 1], 104, BOUND) == NextFrames({0: 0, 1: 0}), "nobody waits for one that has ended"


def test_a_frame_that_comes_long_after_its_capture_still_waits_for_its_match() -> None:
    late = [Arrived(100, 180)]
    assert choose_live([late, []], [0, 1], 185, BOUND) == NextFrames({}, 190)
    assert choose_live([late, [Arrived(104, 186)]], [0, 1], 186, BOUND) == NextFrames({0: 0, 1: 0})


@pytest.mark.parametrize(
    ("waiting", "expected", "places"),
    [
        ([at(100), at(104)], [0, 1], {0: 0, 1: 0}),
        ([at(100), at(120)], [0, 1], {0: 0}),
        ([at(140), at(120)], [0, 1], {1: 0}),
        ([at(100), []], [0, 1], {}),
        ([at(100), []], [0], {0: 0}),
        ([[], []], [], {}),
        ([at(100), at(115), at(108)], [0, 1, 2], {0: 0, 2: 0}),
    ],
)
def test_files(waiting: list[list[Arrived]], expected: list[int], places: dict[int, int]) -> None:
    assert choose_of_files(waiting, expected, BOUND) == NextFrames(places)
