"""What the numbers and colours of masks mean, from lists in every form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.convert.labels.labelled_frame import UNKNOWN
from edgeunet.data.convert.labels.mask_classes import holds_numbers, read_mask_classes
from edgeunet.errors import DatasetError
from edgeunet.imaging.mask_image import code_of


def listed_in(tmp_path: Path, text: str, name: str = "classes.csv") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_values_are_numbered_in_the_order_of_the_list_and_one_name_is_one_class(tmp_path: Path) -> None:
    text = "value,name,color,ignore\n7,road,#804080,\n9,tree,,no\n8,road,,\n0,background,0 0 0,\n200,sign,,yes\n"
    found = read_mask_classes(listed_in(tmp_path, text))
    assert [c.name for c in found.classes.classes] == ["road", "tree", "background"]
    assert found.classes.classes[0].color == (128, 64, 128)
    assert found.numbers == {7: 0, 8: 0, 9: 1, 0: 2, 200: 255, 255: 255}
    table = found.table(in_colors=False).indices
    assert [table[n] for n in (7, 8, 9, 0, 200, 255, 1)] == [0, 0, 1, 2, 255, 255, UNKNOWN]
    assert found.classes.ignored == (255,)
    colors = [c.color for c in found.classes.classes]
    assert len(set(colors)) == 3, "colours that can be told apart where the list has none"
    with pytest.raises(DatasetError, match="has no colours, and the masks are read as colours: `edgeunet"):
        found.table(in_colors=True)


@pytest.mark.parametrize(
    "text",
    [
        'value,name\n"128,64,128",road\n#000000,sky\n',
        "value;name;color;ignore\n128 64 128;road;;\n0,0,0;sky;;\n",
        "name,r,g,b\nroad,128,64,128\nsky,0,0,0\n",
        "\ufeffname, r, g, b\r\nroad, 128, 64, 128\r\nsky, 0, 0, 0\r\n",
        "Name,Red,Green,Blue,note\nroad,128,64,128,x\n,,,,\nsky,0,0,0,\n",
    ],
)
def test_colours_in_the_usual_ways(tmp_path: Path, text: str) -> None:
    found = read_mask_classes(listed_in(tmp_path, text))
    assert [(c.name, c.color) for c in found.classes.classes] == [("road", (128, 64, 128)), ("sky", (0, 0, 0))]
    table = found.table(in_colors=True).indices
    assert [table[code_of(c)] for c in ((128, 64, 128), (0, 0, 0), (1, 1, 1))] == [0, 1, UNKNOWN]
    with pytest.raises(DatasetError, match="has colours, and the masks are read as numbers"):
        found.table(in_colors=False)


def test_a_colour_to_draw_with_is_not_the_masks(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "value,name,color\n1 2 3,road,#ff0000\n4 5 6,sky,\n"))
    assert [c.color for c in found.classes.classes] == [(255, 0, 0), (4, 5, 6)]
    assert found.table(in_colors=True).indices[code_of((1, 2, 3))] == 0


def test_a_list_may_be_names_alone(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "\ufeff# mine\nroad\nvoid\n\ntraffic light\n", "names.txt"))
    assert (found.numbers, found.names["traffic light"]) == ({0: 0, 1: 255, 2: 1, 255: 255}, 1)


def test_roboflows_list_is_one(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "Pixel Value, Class\n0, background\n1, road\n"))
    assert found.numbers == {0: 0, 1: 1, 255: 255}


def test_names_of_what_is_not_labelled_are_ignored_if_nothing_else_is_said(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "value,name,ignore\n0,a,\n1,b,\n2,Void,\n3,unlabelled,no\n"))
    assert [c.name for c in found.classes.classes] == ["a", "b", "unlabelled"]
    assert found.numbers[2] == 255


def test_255_may_be_a_class(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "value,name\n0,background\n255,object\n"))
    assert found.numbers == {0: 0, 255: 1}


def test_a_list_with_gaps_or_another_start_is_numbered(tmp_path: Path) -> None:
    entries = [
        {"index": 0, "name": "unlabelled", "ignore": True},
        {"index": 1, "name": "road", "color": [1, 2, 3]},
        {"index": 5, "name": "sky"},
        {"index": 9, "name": "other", "ignore": True},
    ]
    found = read_mask_classes(listed_in(tmp_path, json.dumps({"classes": entries}), "classes.json"))
    assert [c.name for c in found.classes.classes] == ["road", "sky"]
    assert found.numbers == {0: 255, 1: 0, 5: 1, 9: 255, 255: 255}
    assert found.classes.entries[-1].name == "unlabelled, other"


def test_a_list_that_is_numbered_stays_as_it_is(tmp_path: Path) -> None:
    entries = [
        {"index": 0, "name": "a", "color": [1, 2, 3]},
        {"index": 1, "name": "b", "color": [4, 5, 6]},
        {"index": 2, "name": "void", "color": [0, 0, 0], "ignore": True},
    ]
    found = read_mask_classes(listed_in(tmp_path, json.dumps({"classes": entries}), "classes.json"))
    assert [(e.index, e.name) for e in found.classes.entries] == [(0, "a"), (1, "b"), (2, "void")]
    assert found.numbers == {0: 0, 1: 1, 2: 2, 255: 255}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "its first line is '', and a header is expected"),
        ("0,background\n1,road\n", "its first line is '0,background', and a header is expected"),
        ("value,color\n1,#000000\n", "a header is expected"),
        ("value,name\n1,a\n1,b\n", "two lines have the value 1"),
        ("value,name\n256,a\n1,b\n", "line 2: a value is 0 to 255, got 256"),
        ("value,name\n" + "9" * 5000 + ",a\n", "line 2: a value is 0 to 255"),
        (
            "value,name\n0,a\n-1,b\n",
            "line 3: a value is a number from 0 to 255, or a colour, which is #rrggbb or red, green and blue",
        ),
        ("value,name\nx,a\n1,b\n", "line 2: a value is a number"),
        ("value,name\n1 2 999,a\n1,b\n", "line 2: a value is"),
        ("value,name\n0,a\n1,\n", "line 3: has no name"),
        ("value,name,ignore\n0,a,maybe\n1,b,\n", "line 2: ignore is yes or no, got 'maybe'"),
        ("value,name,ignore\n0,a,yes\n1,a,no\n", "a is ignored in one line and not in another"),
        ("value,name\n1,road\n", "road is the only class"),
        ("value,name\n" + "".join(f"{n},c{n}\n" for n in range(256)), "2 to 254 classes are needed, got 256"),
        ("name,r,g,b\n" + "".join(f"c{n},{n % 256},{n // 256},0\n" for n in range(10_000)), "got 10000"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says) as told:
        read_mask_classes(listed_in(tmp_path, text))
    assert "\n" not in str(told.value)


def test_one_colour_for_two_classes_matters_only_to_masks_in_colours(tmp_path: Path) -> None:
    entries = [{"index": i, "name": n, "color": [9, 9, 9]} for i, n in enumerate("ab")]
    found = read_mask_classes(listed_in(tmp_path, json.dumps({"classes": entries}), "classes.json"))
    assert found.table(in_colors=False).indices[1] == 1
    with pytest.raises(DatasetError, match="a and b have the same color"):
        found.table(in_colors=True)


def test_the_nearest_colour_is_taken_and_counted(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "name,r,g,b\na,0,0,0\nb,200,0,0\n"))
    table = found.table(in_colors=True)
    codes = np.array([[code_of(c) for c in ((0, 0, 0), (90, 0, 0), (110, 0, 0), (210, 0, 30))]], np.int32)
    assert table.look_up(codes)[0].tolist() == [[0, UNKNOWN, UNKNOWN, UNKNOWN]]
    indices, moved = type(table)(table.indices, nearest=True).look_up(codes)
    assert indices.tolist() == [[0, 0, 1, 1]]
    assert (moved.pixels, moved.steps, moved.color) == (3, 90.0, "(90, 0, 0)")


def test_numbers_are_held_if_all_are_known_and_show_several_classes(tmp_path: Path) -> None:
    found = read_mask_classes(listed_in(tmp_path, "value,name\n3,a\n7,b\n"))
    known, classes = found.numbers, found.classes
    assert holds_numbers([{3, 7, 255}, {3}], known, classes)
    assert not holds_numbers([{3, 255}], known, classes)
    assert not holds_numbers([{3, 7}, {4}], known, classes)
    assert not holds_numbers([{3, 7}, set()], known, classes)
