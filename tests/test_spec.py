from __future__ import annotations

import pytest

from edgeunet.errors import MismatchError, ModelFileError, UsageError
from edgeunet.spec import ClassInfo, ModelSpec
from tests.models import toy_spec


def test_json_gives_back_the_same_spec() -> None:
    spec = toy_spec().with_provenance(precision="int8", calibration="entropy, 9 frames")
    assert ModelSpec.from_json(spec.to_json(), origin="m.onnx") == spec


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 1}', '{"schema": 99, "classes": []}', "null"])
def test_a_damaged_spec_names_its_file(text: str) -> None:
    with pytest.raises(ModelFileError, match=r"m\.onnx"):
        ModelSpec.from_json(text, origin="m.onnx")


def test_two_classes_have_one_logit() -> None:
    two = tuple(ClassInfo(n, (0, 0, 0)) for n in "ab")
    assert ModelSpec(two, (8, 8)).logits == 1
    assert toy_spec().logits == 3


def test_other_classes_are_refused_with_both_lists() -> None:
    with pytest.raises(MismatchError, match="road, car, sky; data has road, tree, sky"):
        toy_spec().require_classes(("road", "tree", "sky"), model="m.onnx", dataset="data")


def test_nonsense_is_refused() -> None:
    with pytest.raises(UsageError, match="2 to 255 classes"):
        ModelSpec((ClassInfo("a", (0, 0, 0)),), (8, 8))
    with pytest.raises(UsageError, match="input's size"):
        toy_spec((0, 8))
