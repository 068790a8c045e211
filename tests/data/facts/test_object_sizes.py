"""Objects of a mask, and which of them the network cannot see."""

from __future__ import annotations

import numpy as np

from edgeunet.data.facts.object_sizes import object_areas, tiny_objects, usual_input_size


def test_objects_are_what_is_connected() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[2:5, 2:5] = 1
    mask[5, 5] = 1  # touches at a corner
    mask[10:12, 10:12] = 1
    mask[15, :] = 255
    areas = object_areas(mask)
    assert sorted(areas) == [0, 1], "what is ignored is no object"
    assert areas[1].tolist() == [4, 10]


def test_a_mask_of_noise_keeps_a_bounded_number_of_objects() -> None:
    mask = np.zeros((500, 500), np.uint8)
    mask[::2, ::2] = 1
    assert len(object_areas(mask)[1]) <= 10_000


def test_tiny_at_the_input_size() -> None:
    nine = [np.full(40, 9, np.float32)]
    found = tiny_objects(nine, [0.25])
    assert found is not None
    assert (found.share, found.side) == (1.0, 0.75)
    assert tiny_objects(nine, [1.0]) is None
    assert tiny_objects(nine, [3.0]) is None, "a small frame is enlarged, which adds nothing"
    assert tiny_objects([np.ones(4, np.float32)], [3.0]) is not None


def test_fringes_of_large_objects_are_not_tiny_objects() -> None:
    assert tiny_objects([np.array([1, 1, 1, 1, 500], np.float32)], [1.0]) is None
    assert tiny_objects([], []) is None


def test_the_usual_input_has_the_frames_shape_and_is_never_larger() -> None:
    assert usual_input_size([(1024, 1024)]) == (288, 288)
    assert usual_input_size([(360, 480), (360, 480), (720, 1280)]) == (256, 320)
    assert usual_input_size([(100, 60)]) == (96, 64)
    assert usual_input_size([(10, 10)]) == (32, 32)
