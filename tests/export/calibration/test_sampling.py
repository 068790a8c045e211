import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.errors import DatasetError
from edgeunet.imaging.letterbox import UInt8
from edgeunet_export.calibration.sampling import distinct, is_plain, representative, spread_over

CAMVID = Path(__file__).parents[3] / "../shared/data/camvid/images/train"


def _scene(number: int, light: float) -> UInt8:
    """A bright upper half, a dark lower one and some blocks, at a brightness."""
    generator = np.random.default_rng(number)
    frame = np.full((96, 128, 3), 180, np.float64)
    frame[48:] = 90
    for row, column in generator.integers(0, 80, (6, 2)):
        frame[row : row + 16, column : column + 16] = generator.integers(0, 256, 3)
    return np.clip(frame * light + generator.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def drive(tmp_path: Path) -> list[Path]:
    """60 frames by day, of which those named night are 3 by night, and one with the lens covered."""
    for number in range(60):
        cv2.imwrite(str(tmp_path / f"{number:02}-day.png"), _scene(number, 1.0))
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{20 + number}-night.png"), _scene(100 + number, 0.25))
    cv2.imwrite(str(tmp_path / "40-covered.png"), np.full((96, 128, 3), 1, np.uint8))
    return sorted(tmp_path.iterdir())


def _night(paths: list[Path]) -> int:
    return sum("night" in path.name for path in paths)


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_scene_is_among_few_images(seed: int, drive: list[Path]) -> None:
    chosen = representative(drive, 6, seed)
    assert len(set(chosen)) == 6
    assert 1 <= _night(chosen) <= 3
    assert _night(drive[:6]) == 0
    assert not any("covered" in path.name for path in chosen)


@pytest.mark.parametrize("seed", range(3))
def test_a_slight_tint_counts_as_much_as_a_large_change_of_light(seed: int, tmp_path: Path) -> None:
    for number in range(60):
        cv2.imwrite(str(tmp_path / f"{number:02}-day.png"), _scene(number, 0.5 + number / 120))
    for number in range(3):
        tinted = _scene(200 + number, 0.75) * np.array([1.12, 1.0, 0.88])
        cv2.imwrite(str(tmp_path / f"{number:02}-tint.png"), np.clip(tinted, 0, 255).astype(np.uint8))
    chosen = representative(sorted(tmp_path.iterdir()), 8, seed)
    assert any("tint" in path.name for path in chosen)


def test_the_choice_follows_from_contents_and_seed_alone(drive: list[Path], tmp_path: Path) -> None:
    chosen = representative(drive, 6, 0)
    assert representative(drive[::-1], 6, 0) == chosen
    (tmp_path / "renamed").mkdir()
    renamed = [Path(shutil.copy(path, tmp_path / "renamed" / f"{i}.png")) for i, path in enumerate(drive[::-1])]
    assert list(distinct(representative(renamed, 6, 0))) == list(distinct(chosen))
    assert representative(drive, 6, 1) != chosen


def test_copies_count_once(drive: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copy(drive[0], tmp_path / f"copy-{i}.png")) for i in range(4)]
    assert representative([*copies, *drive[:3]], 10, 0) == representative(drive[:3], 10, 0)
    assert len(representative([*copies, *drive[:3]], 10, 0)) == 3


def test_frames_of_one_colour_are_chosen_only_where_there_are_no_others(tmp_path: Path) -> None:
    for level in (0, 60, 120, 180):
        cv2.imwrite(str(tmp_path / f"{level}.png"), np.full((64, 64, 3), level, np.uint8))
    assert len(representative(sorted(tmp_path.iterdir()), 3, 0)) == 3


def test_one_colour_means_no_contrast_but_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (60, 80, 3))
    assert is_plain(np.clip(noise, 0, 255).astype(np.uint8))
    assert is_plain(np.full((60, 80, 3), (10, 200, 30), np.uint8))
    assert not is_plain(_scene(0, 0.05))
    halves = np.full((60, 80, 3), (10, 200, 30), np.uint8)
    halves[:, 40:] = (200, 10, 30)
    assert not is_plain(halves)


def test_a_group_gives_its_typical_member() -> None:
    features = np.array([[0.0], [0.1], [0.2], [9.0], [10.0], [11.0]])
    assert spread_over(features, 2, 0) == [1, 4]
    assert spread_over(features, 6, 0) == [0, 1, 2, 3, 4, 5]
    assert len(set(spread_over(np.zeros((5, 3)), 3, 0))) == 3  # all alike


def test_a_damaged_image_is_named(drive: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"empty\.jpg is empty"):
        representative([*drive, tmp_path / "empty.jpg"], 6, 0)


@pytest.mark.slow
@pytest.mark.skipif(not CAMVID.is_dir(), reason="no ../shared/data/camvid: the frames at dusk are there")
def test_the_frames_at_dusk_of_camvid_are_represented() -> None:
    images = sorted(CAMVID.glob("*.jpg"))
    for seed in range(3):
        chosen = representative(images, 16, seed)
        dusk = sum(path.name.startswith("0001TP") for path in chosen)
        assert 1 <= dusk <= 8
        assert len({path.name[:6] for path in chosen}) == 3  # every drive
