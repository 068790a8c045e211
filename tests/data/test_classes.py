"""Lists of classes: what is read, what is written, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeunet.data.classes import ClassEntry, ClassList, numbered, read_classes
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
    assert read_classes(DATASET / "classes.json").classes[1] == ClassInfo("lane_markings", (255, 220, 0))


def test_lines_of_colours_are_read_with_tabs_and_blanks(tmp_path: Path) -> None:
    file = tmp_path / "label_colors.txt"
    file.write_text("64 128 64\tAnimal\n0 128 64\t\tBridge\n\n0 0 0\t\tVoid\n1 2 3 traffic light\n")
    listed = read_classes(file)
    assert [e.name for e in listed.entries] == ["Animal", "Bridge", "traffic light", "Void"]
    assert [e.color for e in listed.entries] == [(64, 128, 64), (0, 128, 64), (1, 2, 3), (0, 0, 0)]
    assert listed.ignored == (3,)


def test_a_line_without_a_name_is_refused_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "label_colors.txt"
    file.write_text("1 2 3 road\n4 5 sky\n")
    with pytest.raises(DatasetError, match="line 2: expected \"red green blue name\", got '4 5 sky'"):
        read_classes(file)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ((ClassEntry(0, "a", (0, 0, 0)), ClassEntry(1, "a", (1, 1, 1))), "two classes have the name a"),
        (
            (ClassEntry(0, "a", (0, 0, 0)), ClassEntry(1, "b", (1, 1, 1)), ClassEntry(0, "c", None, ignore=True)),
            "two classes have the index 0",
        ),
        ((ClassEntry(0, "a", (0, 0, 0)), ClassEntry(1, "b", (1, 1, 300))), "index and color of 'b' must be 0 to 255"),
        ((ClassEntry(0, "a", (0, 0, 0)), ClassEntry(1, "b", None)), "with a color of three numbers each"),
        ((ClassEntry(0, "a\x08", (0, 0, 0)), ClassEntry(1, "b", (1, 1, 1))), "line of text"),
        ((ClassEntry(0, " ", (0, 0, 0)), ClassEntry(1, "b", (1, 1, 1))), "empty name"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(entries: tuple[ClassEntry, ...], says: str) -> None:
    with pytest.raises(DatasetError, match=f"here: .*{says}"):
        ClassList(entries, "here")


SHAPE = '{"index": 0, "name": "background", "color": [0, 0, 0]}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('["road", "car"]', "expected an object, got a list"),
        ('{"classes": {"road": 0}}', "classes: expected a list, got an object"),
        ('{"classes": [{"index": 1e999, "name": "a", "color": [0, 0, 0]}]}', r"classes\[0\].index: "),
        ('{"classes": [{"index": 0, "name": "a", "color": "red"}]}', r"classes\[0\].color: "),
        ('{"classes": [{"index": 0, "name": "a", "color": [0, 0, 256]}]}', r"classes\[0\].color\[2\]: "),
        ('{"classes": [{"index": 0, "name": "a"}, {"index": 1, "name": "b"}]}', "class 0 has no color"),
        ('{"classes": [{"index": 0, "color": [0, 0, 0]}]}', "class 0 has no name"),
        ("[" * 100_000, "expected an object, got a list"),
        ('{"classes": ' + "[" * 100_000, ""),
    ],
)
def test_a_file_of_another_shape_is_told_the_shape(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "classes.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match=f"is not a list of classes .*{says}") as told:
        read_classes(file)
    assert SHAPE in str(told.value)
    assert "Error" not in str(told.value)
    assert len(str(told.value)) < 600


def test_a_single_class_is_told_how_to_add_the_background(tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    file.write_text('{"classes": [{"index": 0, "name": "road", "color": [1, 2, 3]}]}')
    with pytest.raises(DatasetError, match=r"add the background, .* and give road the index 1") as told:
        read_classes(file)
    assert SHAPE in str(told.value)


@pytest.mark.parametrize("name", ["classes.json", "label_colors.txt"])
def test_a_byte_order_mark_is_read_over(tmp_path: Path, name: str) -> None:
    listed = numbered([("road", (1, 2, 3)), ("sky", (4, 5, 6))], "here")
    text = listed.to_json("d") if name.endswith("json") else "1 2 3 road\r\n4 5 6 sky\r\n"
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read_classes(tmp_path / name).entries == listed.entries


@pytest.mark.parametrize("number", ["²", "256", "-1", "1.5", "9" * 5000, "٣"])
def test_what_is_no_number_of_a_colour_is_refused_with_its_line(tmp_path: Path, number: str) -> None:
    file = tmp_path / "label_colors.txt"
    file.write_text(f"1 2 3 road\n{number} 0 0 a\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 2: expected"):
        read_classes(file)


def test_a_text_of_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "label_colors.txt"
    for data in ("1 2 3 stra\u00dfe\n".encode("latin-1"), "1 2 3 road\n".encode("utf-16")):
        file.write_bytes(data)
        with pytest.raises(DatasetError, match="line 1, is not UTF-8: save the file as UTF-8"):
            read_classes(file)


@pytest.mark.parametrize("name", ["", "x" * 501, "a\x1b[31m"])
def test_a_name_that_no_model_could_carry_is_refused_with_its_file(tmp_path: Path, name: str) -> None:
    lines = [{"index": 0, "name": "a", "color": [0, 0, 0]}, {"index": 1, "name": name, "color": [1, 1, 1]}]
    (tmp_path / "classes.json").write_text(json.dumps({"classes": lines}))
    with pytest.raises(DatasetError, match=r"classes\.json: a class"):
        read_classes(tmp_path / "classes.json")
