from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeunet.errors import MismatchError, ModelFileError, UsageError
from edgeunet.spec import ClassInfo, Execution, ModelSpec
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


def test_what_an_ordinary_model_does_not_need_is_not_written() -> None:
    assert not {"channels", "levels", "tiles"} & toy_spec().to_dict().keys()
    assert "pretrained_sha256" not in toy_spec().to_dict()["provenance"]
    special = replace(toy_spec(), channels=1, mean=(117.0,), std=(57.0,), levels=((7000, 7400.5),), tiles=(2, 3))
    special = special.with_provenance(pretrained_sha256="ab" * 32)
    assert ModelSpec.from_json(special.to_json(), origin="m.onnx") == special


def test_tiles_share_an_eighth_with_each_neighbour() -> None:
    assert replace(toy_spec((64, 80)), tiles=(2, 3)).fitted_size == (2 * 64 - 8, 3 * 80 - 2 * 10)
    assert toy_spec((64, 80)).fitted_size == (64, 80)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"channels": 2}, "1, 3 or 4 channels, got 2"),
        ({"channels": 4}, "one value for each of 4 channel"),
        ({"levels": ((0, 1),)}, "one value for each of 3 channel"),
        ({"levels": ((5, 5), (0, 1), (0, 1))}, "LOW < HIGH"),
        ({"levels": ((0, 1), (0, 1), (0, 65536))}, "HIGH <= 65535"),
        ({"tiles": (0, 1)}, "1 to 64 rows and columns, got 0x1"),
    ],
)
def test_frames_that_no_network_takes_are_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        replace(toy_spec(), **changes)


def test_what_is_made_of_a_file_has_no_measured_choice() -> None:
    """An INT8 file that is made of the chosen fp32 file has never run."""
    spec = replace(toy_spec(), execution=Execution("a processor", "openvino", "bf16", threads=2))
    assert ModelSpec.from_json(spec.to_json(), origin="model") == spec
    assert spec.with_provenance(precision="int8").execution is None
