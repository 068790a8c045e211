"""Real road frames with sensor noise, and what a camera does wrong with them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.camera.state.picture_check import CODED_FRAMES, COVERED_FRAMES, EXTREME_FRAMES, SAME_FRAMES, PictureCheck
from edgeunet.camera.state.sharpness import EVERY, LEARNING, LOST_LOOKS, FocusCheck, tiles_of
from edgeunet.imaging.images import read_image
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.samples import DATASET

SIZE = (480, 360)  # (width, height)
PATHS = [DATASET / "images" / name for name in ("train/0000.jpg", "train/0003.jpg", "val/0001.jpg")]  # day, night, dusk
SCENES = [np.asarray(cv2.resize(read_image(path), SIZE, interpolation=cv2.INTER_AREA), np.uint8) for path in PATHS]
NOISE = np.random.default_rng(0).normal(0, 1, (480, 640, 4)).astype(np.float32)
SAME = "the same frame again"
LEVELS = ((1000.0, 5000.0),)


def noisy(scene: Pixels, seed: int, sigma: float = 1.0) -> UInt8:
    """The scene as a sensor sees it once: each time with other noise."""
    top, left = np.random.default_rng(seed).integers(0, (120, 160))
    height, width, channels = scene.shape
    noise = NOISE[top : top + height, left : left + width, :channels]
    return np.asarray(np.rint(scene + sigma * noise).clip(0, 255), np.uint8)


def deep(scene: UInt8, seed: int) -> Pixels:
    """The same from a camera of 16 bits and one channel."""
    grey = noisy(scene, seed)[..., 1:2]
    return np.asarray(1000 + grey.astype(np.uint16) * 15)


def first_fault(check: PictureCheck, frame: Callable[[int], Pixels], *, within: int) -> tuple[int, str]:
    """How many frames it takes until something is found, and what."""
    for number in range(within):
        if fault := check.look(frame(number)):
            return number + 1, fault
    return 0, ""


@pytest.mark.parametrize("scene", SCENES)
def test_a_still_road_has_noise_and_is_never_the_same(scene: UInt8) -> None:
    check = PictureCheck()
    assert {check.look(noisy(scene, number, 0.5)) for number in range(60)} == {""}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_repeated_buffer_is_found_and_a_new_frame_ends_it(channels: int) -> None:
    check = PictureCheck()
    scene = np.concatenate([SCENES[0], SCENES[0][..., :1]], axis=2)[..., :channels].astype(np.uint8)
    for number in range(20):
        assert check.look(noisy(scene, number)) == ""
    assert first_fault(check, lambda _: noisy(scene, 19), within=50) == (SAME_FRAMES, SAME)
    assert check.look(noisy(scene, 19)) == SAME
    assert check.look(noisy(scene, 20)) == ""


def test_a_frame_that_is_given_twice_or_thrice_is_not_frozen() -> None:
    """As by a converter of rates."""
    check = PictureCheck()
    assert {check.look(noisy(SCENES[0], number // SAME_FRAMES)) for number in range(100)} == {""}


def test_a_repeat_that_is_encoded_again_is_found() -> None:
    """As by a camera of MJPEG whose sensor hangs, and whose quality changes now and then."""
    check, still = PictureCheck(), noisy(SCENES[0], 0)

    def frame(number: int) -> UInt8:
        quality = 80 if number // 20 % 2 else 85
        return np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", still, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8
        )

    assert first_fault(check, frame, within=50) == (SAME_FRAMES + 1, SAME)


def test_a_coded_video_may_stand_still_until_its_next_key_frame() -> None:
    check = PictureCheck()
    still = [noisy(SCENES[0], 0), noisy(SCENES[0], 1)]
    found = [check.look(still[number // CODED_FRAMES % 2], coded=True) for number in range(3 * CODED_FRAMES)]
    assert set(found) == {""}
    found = [check.look(still[0], coded=True) for _ in range(CODED_FRAMES)]
    assert found[-1] == SAME


@pytest.mark.parametrize(
    ("spoil", "fault", "frames"),
    [
        (lambda scene: scene // 16, "black", EXTREME_FRAMES),
        (lambda scene: 255 - scene // 16, "white", EXTREME_FRAMES),
        (lambda scene: 90 + scene // 32, "low contrast everywhere", COVERED_FRAMES),
    ],
)
@pytest.mark.parametrize("scene", SCENES)
def test_a_picture_that_shows_nothing_is_found(
    scene: UInt8, spoil: Callable[[Pixels], Pixels], fault: str, frames: int
) -> None:
    check = PictureCheck()
    assert check.look(noisy(scene, 0)) == ""
    assert first_fault(check, lambda number: noisy(spoil(scene), number), within=50) == (frames, fault)
    assert check.look(noisy(scene, 1)) == ""


def test_sixteen_bits_are_seen_through_the_levels() -> None:
    check = PictureCheck(LEVELS)
    assert {check.look(deep(SCENES[0], number)) for number in range(20)} == {""}
    assert first_fault(check, lambda _: deep(SCENES[0], 19), within=50) == (SAME_FRAMES, SAME)
    for value, fault in ((900, "black"), (5100, "white"), (2500, "low contrast everywhere")):
        seen = [check.look(np.full_like(deep(SCENES[0], 0), value + n % 9)) for n in range(COVERED_FRAMES)]
        assert seen[-1] == fault


@pytest.mark.parametrize("scene", SCENES)
def test_a_lens_that_loses_its_focus_is_found_and_found_again_sharp(scene: UInt8) -> None:
    check, side = PictureCheck(), scene.shape[1] // 24
    blurred = cv2.blur(scene, (side, side))
    for number in range(LEARNING * EVERY):
        assert check.look(noisy(scene, number)) == ""
    bound = (LOST_LOOKS + 1) * EVERY
    found, fault = first_fault(check, lambda number: noisy(blurred, number), within=2 * bound)
    assert (fault, 0 < found <= bound) == ("out of focus", True)
    found_sharp = [check.look(noisy(scene, number)) for number in range(EVERY)]
    assert found_sharp[-1] == ""


def test_a_picture_with_little_contrast_says_nothing_about_the_focus() -> None:
    """As at night: what is left of fine contrast is noise. And what was found before is no longer said."""
    check, side = FocusCheck(), SCENES[0].shape[1] // 24
    blurred = cv2.blur(SCENES[0], (side, side))
    for scene, looks, lost in (
        (SCENES[0], LEARNING, False),
        (30 + blurred // 12, 2 * LOST_LOOKS, False),
        (blurred, LOST_LOOKS, True),
        (30 + blurred // 12, 1, False),
    ):
        for number in range(looks):
            check.look(tiles_of(noisy(scene, number)[..., 1]))
        assert check.is_lost is lost


def test_motion_along_the_rows_is_not_a_lost_focus() -> None:
    check = PictureCheck()
    smeared = cv2.blur(SCENES[0], (SCENES[0].shape[1] // 24, 1))
    for number in range(LEARNING * EVERY):
        check.look(noisy(SCENES[0], number))
    assert {check.look(noisy(smeared, number)) for number in range(200)} == {""}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([1, 3, 4]), st.booleans())
def test_any_size_is_taken_also_one_that_changes(height: int, width: int, channels: int, deep: bool) -> None:
    check = PictureCheck(LEVELS * channels if deep else ())
    for rows in (height, height, max(1, height // 2)):
        assert check.look(np.zeros((rows, width, channels), np.uint16 if deep else np.uint8)) == ""
