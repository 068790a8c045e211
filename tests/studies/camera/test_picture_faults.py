from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.camera import picture_faults, state_soak
from benchmarks.studies.camera.still_drives import SIZE, NoisySensor, scenes_of, windows_of
from edgeunet.errors import UsageError
from edgeunet.samples import DATASET

ROADS = DATASET / "images" / "val"


def test_a_window_stands_still_and_then_moves_to_and_fro() -> None:
    (scene, *_) = scenes_of([ROADS])
    windows = windows_of(scene, speed=40, still=2)
    shown = [next(windows) for _ in range(7)]
    lefts = [
        next(x for x in range(scene.shape[1] - SIZE[1] + 1) if (scene[:, x : x + SIZE[1]] == w).all()) for w in shown
    ]
    assert lefts == [0, 0, 0, 40, 80, 40, 0]


@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_a_sensor_has_other_noise_in_each_frame(sigma: float) -> None:
    sensor, grey = NoisySensor(sigma), np.full(SIZE, 128, np.uint8)
    first, second = (sensor.see(grey).astype(int) for _ in range(2))
    assert np.std(first) == pytest.approx(sigma, rel=0.1)
    assert (first != second).mean() > 0.1


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give folders of road frames"):
        scenes_of([tmp_path])


def test_the_soak_finds_each_fault_and_leaves_each_state() -> None:
    tally = state_soak.soak(scenes_of([ROADS], state_soak.SIZE, state_soak.MARGIN), 4000)
    assert tally.found == tally.long_enough
    assert set(tally.found) == set(state_soak.BOUNDS)
    assert (tally.stuck, tally.wrong) == (0, 0)
    assert tally.states.total() + sum(tally.events.values()) > 3000


@pytest.mark.slow
def test_each_fault_of_a_scene_is_found_or_said_not_to_be(tmp_path: Path) -> None:
    found = picture_faults.delays(scenes_of([ROADS])[:1])
    late = {name for name, what in found.items() if what["found"] < what["scenes"]}
    assert late <= {"same picture coded as H.264 again", *(name for name in found if "focus" in name)}
    alarms = picture_faults.false_alarms([picture_faults.drive(scenes_of([ROADS])[0], 0, 4)])
    assert (alarms["frames"], alarms["alarms"]) == (120, {})
    low, high = alarms["alarms_per_hour_95"]
    assert low == 0 < high
