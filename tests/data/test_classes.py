"""Lists of classes: what is read, what is written, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeunet.data.classes import ClassList, Entry, numbered, read_classes
from edgeunet.errors import DatasetError
from edgeunet.samples import DATASET
from edgeunet.spec import ClassInfo


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    listed = numbered([("Straße", (1, 2, 3)), ("Void", (0, 0, 0)), ("sky", (4, 5, 6))], "here")
    assert [(e.index, e.name, e.ignore) for e in listed.entries] == [
        (0, "Straße", False),
        (1, "sky", False),
        (2, "Void", True),
    ]
    (tmp_path / "classes.json").write_text(listed.to_json("roads"), encoding="utf-8")
    again = read_classes(tmp_path / "classes.json")
    assert again.entries == listed.entries
    assert again.classes == (ClassInfo("Straße", (1, 2, 3)), ClassInfo("sky", (4, 5, 6)))
    assert again.ignored == (2,)
    assert json.loads((tmp_path / "classes.json").read_text(encoding="utf-8"))["dataset"] == "roads"


def test_the_bundled_list_is_read() -> None:
    assert read_classes(DATASET / "classes.json").colors()[(255, 220, 0)] == 1


def test_lines_of_colours_are_read_with_tabs_and_blanks(tmp_path: Path) -> None:
    file = tmp_path / "label_colors.txt"
    file.write_text("64 128 64\tAnimal\n0 128 64\t\tBridge\n\n0 0 0\t\tVoid\n1 2 3 traffic light\n")
    listed = read_classes(file)
    assert [e.name for e in listed.entries] == ["Animal", "Bridge", "traffic light", "Void"]
    assert listed.colors() == {(64, 128, 64): 0, (0, 128, 64): 1, (1, 2, 3): 2, (0, 0, 0): 3}
    assert listed.ignored == (3,)


def test_a_line_without_a_name_is_refused_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "label_colors.txt"
    file.write_text("1 2 3 road\n4 5 sky\n")
    with pytest.raises(DatasetError, match="line 2: expected \"red green blue name\", got '4 5 sky'"):
        read_classes(file)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ((Entry(0, "a", (0, 0, 0)), Entry(1, "a", (1, 1, 1))), "two classes have the name a"),
        (
            (Entry(0, "a", (0, 0, 0)), Entry(1, "b", (1, 1, 1)), Entry(0, "c", None, ignore=True)),
            "two classes have the index 0",
        ),
        ((Entry(0, "a", (0, 0, 0)), Entry(1, "b", (1, 1, 300))), "index and color of 'b' must be 0 to 255"),
        ((Entry(0, "a", (0, 0, 0)), Entry(1, "b", None)), "with a color of three numbers each"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(entries: tuple[Entry, ...], says: str) -> None:
    with pytest.raises(DatasetError, match=f"here: .*{says}"):
        ClassList(entries, "here")


def test_one_colour_for_two_classes_matters_only_to_masks_in_colours() -> None:
    listed = ClassList((Entry(0, "a", (9, 9, 9)), Entry(1, "b", (9, 9, 9))), "here")
    with pytest.raises(DatasetError, match="a and b have the same color"):
        listed.colors()
