from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from edgeunet.data.cropping.augment import Augmentation, crop, recolor
from edgeunet.data.cropping.crops import Crops
from edgeunet.data.cropping.rare_classes import RareClasses
from edgeunet.data.dataset import Sample
from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import PADDING, Letterbox
from edgeunet.spec import BGR, IGNORE
from tests.datasets import draw
from tests.models import toy_spec
from tests.pixel_datasets import FOUR, GREY, KINDS, THERMAL, frame_for, spec_for

SPEC = toy_spec((48, 64))
FULL = Letterbox.of((48, 64), SPEC)
NO_AUGMENTATION = Augmentation(flip=0.0, scale=(1.0, 1.0), aspect=1.0, rotation_deg=0.0, color=0.0)


def sample(number: int = 0) -> Sample:
    return Sample(str(number), *draw(number))


def rngs() -> Iterator[np.random.Generator]:
    return (np.random.default_rng(k) for k in range(30))


def test_without_augmentation_a_crop_is_the_frame() -> None:
    frame, mask = crop(sample(), FULL, (48, 64), NO_AUGMENTATION, np.random.default_rng(0))
    assert np.array_equal(frame, sample().frame)
    assert np.array_equal(mask, sample().mask)


def test_a_frame_is_fitted_as_the_camera_fits_it() -> None:
    """A letterboxed crop without augmentation lies where Letterbox puts the frame."""
    wide = Sample("wide", np.full((24, 64, 3), 9, np.uint8), np.ones((24, 64), np.uint8))
    letterbox = Letterbox.of((24, 64), SPEC)
    frame, mask = crop(wide, letterbox, (48, 64), NO_AUGMENTATION, np.random.default_rng(0))
    assert np.array_equal(frame, letterbox.fit(wide.frame))
    expected = np.full((48, 64), IGNORE, np.uint8)
    letterbox.inside(expected)[:] = 1
    assert np.array_equal(mask, expected)


def test_the_mask_is_never_interpolated() -> None:
    for rng in rngs():
        _, mask = crop(sample(), FULL, (40, 40), Augmentation(), rng)
        assert set(np.unique(mask)) <= {0, 1, 2, IGNORE}


def test_frame_and_mask_move_together() -> None:
    """Where the mask says disc the frame is bright, where bar dark, whatever the warp."""
    for rng in rngs():
        frame, mask = crop(sample(), FULL, (48, 64), replace(Augmentation(), color=0.0, rotation_deg=20), rng)
        middle = frame.mean(axis=2)
        if (mask == 1).sum() > 50:
            assert np.median(middle[mask == 1]) > 180
        if (mask == 2).sum() > 50:
            assert np.median(middle[mask == 2]) < 60
        if (mask == IGNORE).sum() > 50:
            assert np.median(frame[mask == IGNORE]) == PADDING


def test_a_flip_is_a_mirror_image() -> None:
    how = replace(NO_AUGMENTATION, flip=1.0)
    frame, mask = crop(sample(), FULL, (48, 64), how, np.random.default_rng(0))
    assert np.array_equal(frame, sample().frame[:, ::-1])
    assert np.array_equal(mask, sample().mask[:, ::-1])


def test_shrinking_averages_pixels() -> None:
    """Four times smaller, noise turns grey: bilinear sampling would keep it."""
    noise = np.random.default_rng(0).integers(0, 255, (192, 256, 3), dtype=np.uint8)
    big = Sample("noise", noise, np.zeros((192, 256), np.uint8))
    frame, _ = crop(big, Letterbox.of((192, 256), SPEC), (48, 64), NO_AUGMENTATION, np.random.default_rng(0))
    assert frame.std() < 0.35 * noise.std()


def test_colours_change_and_stay_in_range() -> None:
    frames = [crop(sample(), FULL, (48, 64), replace(NO_AUGMENTATION, color=1.0), rng)[0] for rng in rngs()]
    means = np.array([f.mean() for f in frames])
    assert means.std() > 5
    assert all(f.dtype == np.uint8 for f in frames)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one processor
def test_crops_follow_from_seed_and_number_alone() -> None:
    def make(seed: int) -> Crops:
        return Crops([sample(k) for k in range(3)], SPEC, (32, 32), Augmentation(), count=8, seed=seed)

    straight = list(DataLoader(make(1), 2))
    workers = list(DataLoader(make(1), 2, num_workers=2, multiprocessing_context="fork"))
    for (a, b), (c, d) in zip(straight, workers, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)
    assert not torch.equal(straight[0][0], next(iter(DataLoader(make(2), 2)))[0])


def test_every_sample_comes_once_an_epoch() -> None:
    samples = [Sample(str(k), np.full((48, 64, 3), 40 * k, np.uint8), np.zeros((48, 64), np.uint8)) for k in range(5)]
    crops = Crops(samples, SPEC, (48, 64), NO_AUGMENTATION, count=10, seed=0)
    seen = [int(crops[k][0][0, 0, 0]) // 40 for k in range(10)]
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 1, 2, 3, 4]
    assert seen[:5] != seen[5:]


@pytest.mark.parametrize("wrong", [{"flip": 2.0}, {"scale": (0.0, 1.0)}, {"scale": (2.0, 1.0)}, {"aspect": 0.5}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Augmentation(**wrong)  # type: ignore[arg-type]


def test_a_crop_of_a_tile_has_the_resolution_of_the_canvas() -> None:
    """A speck of 3×3 pixels in a frame of 120×200: 3 pixels where the canvas has the frame's size, 6 with twice."""
    mask = np.zeros((120, 200), np.uint8)
    mask[30:33, 50:53] = 1
    speck = Sample("speck", np.zeros((120, 200, 3), np.uint8), mask)
    for size, scale in (((64, 107), 1), ((128, 214), 2)):
        spec = replace(toy_spec(size), tiles=(2, 2))
        letterbox = Letterbox.of((120, 200), spec)
        assert letterbox.inside(np.empty(spec.fitted_size, np.uint8)).shape == (120 * scale, 200 * scale)
        counts = {int((crop(speck, letterbox, size, NO_AUGMENTATION, rng)[1] == 1).sum()) for rng in rngs()}
        assert max(counts) == 9 * scale**2
        assert min(counts) == 0, "a crop lies anywhere in the canvas"


def specks(count: int = 4) -> list[Sample]:
    """Frames of 200×300, of which the second and the last have one speck of 3×3 pixels."""
    masks = np.zeros((count, 200, 300), np.uint8)
    masks[1, 5:8, 290:293] = masks[-1, 150:153, 20:23] = 1
    return [Sample(str(k), np.zeros((200, 300, 3), np.uint8), mask) for k, mask in enumerate(masks)]


def test_every_second_crop_of_a_tile_shows_a_rare_class() -> None:
    spec = replace(toy_spec((57, 64)), tiles=(4, 5))
    counts = np.stack([np.bincount(s.mask.ravel(), minlength=3) for s in specks()])

    def shown(rare: RareClasses | None) -> float:
        crops = Crops(specks(), spec, spec.input_size, Augmentation(), count=200, seed=0, rare=rare)
        return float(np.mean([bool((crops[k][1] == 1).any()) for k in range(200)]))

    assert shown(None) < 0.1
    assert 0.4 < shown(RareClasses(counts)) < 0.65
    common = counts.copy()
    common[:, 1] += 3000
    assert shown(RareClasses(common)) == shown(None), "no class is rare"


def test_a_crop_around_a_pixel_shows_it_and_stays_in_the_frame() -> None:
    spec = replace(toy_spec((57, 64)), tiles=(4, 5), fit="stretch")
    letterbox = Letterbox.of((200, 300), spec)
    for rng in rngs():
        for sample, inside in ((specks()[1], (6, 291)), (specks()[-1], (151, 21))):
            how = replace(NO_AUGMENTATION, flip=0.5, scale=(0.75, 1.75))
            _, mask = crop(sample, letterbox, (48, 64), how, rng, inside)
            assert (mask == 1).any()
            assert not (mask == IGNORE).any()


def test_crops_around_rare_classes_follow_from_seed_and_number_alone() -> None:
    spec = replace(toy_spec((57, 64)), tiles=(4, 5))
    rare = RareClasses(np.stack([np.bincount(s.mask.ravel(), minlength=3) for s in specks()]))
    one, other = (Crops(specks(), spec, (57, 64), Augmentation(), count=20, seed=3, rare=rare) for _ in range(2))
    assert all(torch.equal(a, b) for k in reversed(range(20)) for a, b in zip(one[k], other[k], strict=True))
    assert {one.sample(k).name for k in range(20)} == {"0", "1", "2", "3"}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_every_kind_are_cropped(kind: str) -> None:
    """Warped, levelled and recoloured: uint8, as many channels, and without augmentation as the camera fits it."""
    pixels = KINDS[kind]
    spec, one = spec_for(pixels, (72, 96)), Sample("0", frame_for(pixels), np.zeros((72, 96), np.uint8))
    letterbox = Letterbox.of((72, 96), spec)
    frame, _ = crop(one, letterbox, (72, 96), NO_AUGMENTATION, np.random.default_rng(0))
    assert np.array_equal(frame, letterbox.fit(one.frame))
    for rng in rngs():
        small, _ = crop(one, letterbox, (32, 48), replace(Augmentation(), scale=(0.2, 0.4)), rng)
        assert (small.shape, str(small.dtype)) == ((32, 48, pixels.channels), "uint8")


def test_outside_of_a_frame_of_16_bits_is_padding() -> None:
    spec, one = spec_for(THERMAL, (72, 96)), Sample("0", frame_for(THERMAL), np.zeros((72, 96), np.uint8))
    for rng in rngs():
        how = replace(NO_AUGMENTATION, scale=(0.5, 0.5))
        frame, mask = crop(one, Letterbox.of((72, 96), spec), (72, 96), how, rng)
        inner = cv2.erode((mask == IGNORE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert inner.any()
        assert np.abs(frame[inner].astype(int) - PADDING).max() <= 1


def test_colours_of_bgr_change_as_before_and_a_fourth_channel_on_its_own() -> None:
    color, four, grey = frame_for(BGR), frame_for(FOUR), frame_for(GREY)
    # The same draws as ever: a run of an earlier version goes on as it began.
    assert recolor(color, 0.4, np.random.default_rng(7))[20, 30].tolist() == [110, 125, 130]
    changed = recolor(four, 0.4, np.random.default_rng(7))
    assert np.array_equal(changed[..., :3], recolor(four[..., :3].copy(), 0.4, np.random.default_rng(7)))
    assert changed.shape == four.shape
    assert not np.array_equal(changed[..., 3], four[..., 3])
    assert recolor(grey, 0.4, np.random.default_rng(7)).shape == grey.shape
