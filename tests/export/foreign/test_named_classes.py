from pathlib import Path

import pytest

from edgeunet.data.classes import ClassEntry, ClassList
from edgeunet.errors import MismatchError
from edgeunet_export.foreign.named_classes import classes_of_names, network_classes, order_by_names


def listed(*names: str) -> ClassList:
    return ClassList(tuple(ClassEntry(i, name, (i, i, i)) for i, name in enumerate(names)), "data/classes.json")


def test_the_same_names_in_the_same_order_need_nothing() -> None:
    assert order_by_names(("Traffic light", "road"), "config.json", listed("traffic_light", "Road")) == ()


def test_names_in_another_order_say_which_is_which() -> None:
    assert order_by_names(("car", "road", "sky"), "config.json", listed("road", "sky", "car")) == (2, 0, 1)


def test_one_name_is_what_a_single_score_finds() -> None:
    assert order_by_names(("crack",), "metadata", listed("background", "crack")) == ()
    assert order_by_names(("crack",), "metadata", listed("crack", "background")) == (1, 0)
    assert [c.name for c in classes_of_names(("crack",), "metadata").classes] == ["background", "crack"]


@pytest.mark.parametrize("names", [("car", "road"), ("car", "road", "tree"), ("car", "car", "road"), ("ski",)])
def test_other_names_are_not_taken_for_the_datasets(names: tuple[str, ...]) -> None:
    with pytest.raises(MismatchError, match=r"or --classes data/classes\.json if these are the same"):
        order_by_names(names, "config.json", listed("road", "sky", "car"))


def test_classes_without_a_dataset_have_colours_that_differ() -> None:
    classes = classes_of_names(("wall", "floor", "door"), "config.json").classes
    assert [c.name for c in classes] == ["wall", "floor", "door"]
    assert len({c.color for c in classes}) == 3


def test_a_list_of_names_is_in_the_networks_order(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("sky\nroad\n")
    listed, order = network_classes(2, ((), ""), file, None, origin="n.onnx")
    assert ([c.name for c in listed.classes], order) == (["sky", "road"], ())


def test_a_list_with_other_numbers_than_a_networks_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "classes.csv"
    file.write_text("value,name\n1,sky\n0,road\n")
    with pytest.raises(MismatchError, match=r"has a class 1: number those of a network 0, 1, 2"):
        network_classes(2, ((), ""), file, None, origin="n.onnx")
