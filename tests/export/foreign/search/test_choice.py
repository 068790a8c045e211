from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet_export.foreign.preprocessing import Preprocessing, scale_of_range
from edgeunet_export.foreign.search.choice import TriedWay, choose, lowest_credible

RGB = Preprocessing("rgb", *scale_of_range(0, 1, 3))
BGR = replace(RGB, order="bgr")


def counts(wrong: float, *, frames: int = 12, seed: int = 0) -> NDArray[np.int64]:
    """Of masks of three classes in which that share of the pixels is wrong, more or less in each frame."""
    rng = np.random.default_rng(seed)
    shares = np.clip(wrong + rng.normal(0, 0.03, frames), 0, 1)
    matrices = np.zeros((frames, 3, 3), np.int64)
    for matrix, share in zip(matrices, shares, strict=True):
        for label, pixels in enumerate((500, 300, 200)):
            matrix[label, label] = round(pixels * (1 - share))
            matrix[label, (label + 1) % 3] = pixels - matrix[label, label]
    return matrices


def test_the_best_wins_if_it_leads_clearly() -> None:
    choice = choose([TriedWay(BGR, counts(0.4)), TriedWay(RGB, counts(0.1, seed=1))])
    assert choice.winner is not None
    assert choice.winner.preprocessing == RGB
    assert [t.preprocessing for t in choice.trials] == [RGB, BGR]
    assert choice.rivals == (choice.winner,)


def test_a_lead_of_less_than_two_points_is_none_however_sure_it_is() -> None:
    better = counts(0.1)
    worse = better.copy()
    worse[:, 0, 0] -= 10
    worse[:, 0, 1] += 10
    choice = choose([TriedWay(RGB, better), TriedWay(BGR, worse)])
    assert 0 < 100 * (choice.trials[0].miou - choice.trials[1].miou) < 2
    assert choice.winner is None
    assert "too little to be sure" in choice.reason
    assert not choice.hopeless


def test_a_lead_that_comes_from_one_frame_is_none() -> None:
    even = counts(0.2)
    lucky = even.copy()
    lucky[0] = np.diag([5000, 3000, 2000])
    even[0] *= 10
    choice = choose([TriedWay(RGB, lucky), TriedWay(BGR, even)])
    assert 100 * (choice.trials[0].miou - choice.trials[1].miou) > 5
    assert choice.winner is None
    assert len(choice.rivals) == 2


def test_one_frame_does_not_tell() -> None:
    choice = choose([TriedWay(RGB, counts(0.0, frames=1)), TriedWay(BGR, counts(0.9, frames=1))])
    assert choice.winner is None
    assert choice.reason == "one labelled frame does not tell them apart"


def test_where_the_labels_do_not_tell_the_word_of_the_file_does() -> None:
    same = counts(0.1)
    choice = choose([TriedWay(RGB, same), TriedWay(BGR, same, "config.json")])
    assert choice.winner is not None
    assert choice.winner.preprocessing == BGR


def test_the_word_of_the_file_does_not_stand_against_the_labels() -> None:
    choice = choose([TriedWay(RGB, counts(0.1)), TriedWay(BGR, counts(0.5, seed=1), "config.json")])
    assert choice.winner is not None
    assert choice.winner.preprocessing == RGB


def test_the_word_of_the_file_does_not_make_a_bad_score_good() -> None:
    choice = choose([TriedWay(RGB, counts(0.8), "config.json")])
    assert choice.winner is None
    assert choice.hopeless


def test_ways_with_the_same_masks_are_not_told_apart() -> None:
    same = counts(0.1)
    choice = choose([TriedWay(RGB, same), TriedWay(BGR, same)])
    assert choice.winner is None
    assert "give the same masks on all 12 frames" in choice.reason


def test_losers_that_are_alike_do_not_matter() -> None:
    bad = counts(0.6)
    trials = [TriedWay(RGB, counts(0.1)), TriedWay(BGR, bad), TriedWay(replace(BGR, std=(1.0,) * 3), bad)]
    winner = choose(trials).winner
    assert winner is not None
    assert winner.preprocessing == RGB


@pytest.mark.parametrize(
    ("pixels", "lowest"),
    [
        ((500, 300, 200), 2 * 0.5 / 3),
        ((500, 500, 0), 0.5),
        ((900, 100, 0), 0.725),  # twice 0.45 is more than good networks reach
        ((1000, 0, 0), 1.0),
    ],
)
def test_what_is_expected_of_a_network_that_is_fed_right(pixels: tuple[int, ...], lowest: float) -> None:
    # The masks do not matter.
    assert lowest_credible(np.diag(pixels)) == pytest.approx(lowest)
    assert lowest_credible(np.roll(np.diag(pixels), 1, 1)) == pytest.approx(lowest)


def test_a_score_below_what_is_expected_is_refused_even_if_it_leads() -> None:
    choice = choose([TriedWay(RGB, counts(0.62)), TriedWay(BGR, counts(0.95))])
    assert choice.winner is None
    assert choice.hopeless
    assert "33.3" in choice.reason


def test_frames_without_a_labelled_pixel_show_nothing() -> None:
    nothing = np.zeros((3, 3, 3), np.int64)
    choice = choose([TriedWay(RGB, nothing), TriedWay(BGR, nothing)])
    assert choice.winner is None
    assert choice.reason == "no pixel of these frames has a label"
