"""Drives are told from names as datasets have them."""

from __future__ import annotations

import re

import pytest

from edgeunet.data.dividing.drives import drives_of
from edgeunet.errors import UsageError

CAMVID = [f"0001TP_{k:06}" for k in range(0, 900, 30)] + [f"0006R0_f{k}" for k in range(99)]
CITIES = [f"{city}_{k:06}_000019" for city in ("aachen", "bochum") for k in range(30)]
SEGMENTS = [f"{city}_{k:06}_{f:06}" for city in ("aachen", "bochum") for k in range(2) for f in range(30)]
PHOTOS = [f"IMG_2021041{day}_10{minute:02}30" for day in (1, 2) for minute in range(20)]
PLATFORM = [f"clip{c}_mp4-{i:04}_jpg.rf.{7919 * i + c:032x}" for c in (1, 2) for i in range(30)]


@pytest.mark.parametrize(
    ("names", "drives"),
    [
        (CAMVID, {"0001TP": 30, "0006R0_f": 99}),
        (CITIES, {"aachen": 30, "bochum": 30}),
        (SEGMENTS, {f"{c}_{k:06}": 30 for c in ("aachen", "bochum") for k in range(2)}),
        (PHOTOS, {"IMG_20210411": 20, "IMG_20210412": 20}),
        (PLATFORM, {"clip1_mp4": 30, "clip2_mp4": 30}),
        ([f"{k:06}_{1620000000 + 33 * k}" for k in range(40)], {"000000_1620000000 to 000039_1620001287": 40}),
        ([f"{k:030}" for k in range(40)], {"0000000000000000000… to 0000000000000000000…": 40}),
        ([f"drive{d:02}_{k}" for d in range(40) for k in range(3)], {f"drive{d:02}": 3 for d in range(40)}),
        ([f"{k:03}" for k in (*range(50), *range(400, 430))], {"000 to 049": 50, "400 to 429": 30}),
        (["a", "b"], {"a": 1, "b": 1}),
        ([], {}),
    ],
)  # fmt: skip
def test_drives_of_names_as_datasets_have_them(names: list[str], drives: dict[str, int]) -> None:
    found = drives_of(names[::-1])
    assert {d.label: len(d.frames) for d in found} == drives
    assert sorted(name for d in found for name in d.frames) == sorted(names)


def test_frames_are_in_the_order_of_time() -> None:
    assert drives_of(["f10", "f9", "f1"])[0].frames == ("f1", "f9", "f10")
    assert drives_of(["b_20210411_101500", "a_20210411_101600", "c_20210411_101400"])[0].frames[0][0] == "c"


def test_uneven_steps_are_no_gap() -> None:
    """Each fifth frame or so of one video, drawn at random."""
    numbers = [k for k in range(2000) if (k * 7919) % 5 == 0 or k % 17 == 3]
    assert len(drives_of([f"{k:05}" for k in numbers])) == 1


def test_a_time_that_is_none_is_a_number() -> None:
    names = [f"x_20219999_{k:06}" for k in range(5)]
    assert [len(d.frames) for d in drives_of(names)] == [5]


def test_a_pattern_names_the_drive() -> None:
    names = ["car1_a", "car2_a", "car1_b", "other"]
    found = {d.label: d.frames for d in drives_of(names, re.compile(r"car(\d)"))}
    assert found == {"1": ("car1_a", "car1_b"), "2": ("car2_a",), "the others": ("other",)}


@pytest.mark.parametrize("pattern", ["lorry", "x*"])
def test_a_pattern_that_no_name_has_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"--drive '.*' finds nothing in the names, such as 'car1_1'"):
        drives_of(["car1_1", "car2_1"], re.compile(pattern))
