import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgeunet.errors import MismatchError, OutputError, RecordError
from edgeunet.quantisation.ranges_file import Ranges, TensorRange

METHODS = ("minmax", "percentile", "entropy", "mse")


def _range(low: float, high: float, *clips: float, method: str = "mse") -> TensorRange:
    return TensorRange(low, high, dict(zip(METHODS, clips, strict=True)), method, 0.125, (3, 2, 1))


def _ranges(**tensors: TensorRange) -> Ranges:
    return Ranges("ab" * 32, "cd" * 32, "train", 0, "mse", 96, 256, 1, settled=True, tensors=tensors)


def test_what_is_written_is_read_again_to_the_bit(tmp_path: Path) -> None:
    ranges = _ranges(a=_range(-1 / 3, 1e-30, 1 / 3, 0.1 + 0.2, 5e-324, 0.7), b=_range(0.0, 3.5, 3.5, 3.0, 2.5, 2.0))
    ranges.save(tmp_path / "m.ranges.json", force=False)
    assert Ranges.load(tmp_path / "m.ranges.json") == ranges
    with pytest.raises(OutputError, match="--force"):
        ranges.save(tmp_path / "m.ranges.json", force=False)


def test_the_span_is_clipped_on_both_sides_and_no_wider_than_what_was_seen() -> None:
    assert _range(-1.0, 8.0, 8.0, 6.0, 5.0, 4.0).value_range == (-1.0, 4.0)
    assert _range(-8.0, 1.0, 8.0, 6.0, 5.0, 4.0, method="entropy").value_range == (-5.0, 1.0)
    assert _range(0.0, 0.0, 0.0, 0.0, 0.0, 0.0).value_range == (0.0, 0.0)


def test_the_method_of_one_tensor_is_changed_without_the_others() -> None:
    ranges = _ranges(a=_range(-4.0, 8.0, 8.0, 6.0, 5.0, 4.0), b=_range(0.0, 8.0, 8.0, 6.0, 5.0, 4.0))
    changed = ranges.with_methods({"a": "minmax"})
    assert changed.tensors["a"].value_range == (-4.0, 8.0)
    assert changed.tensors["b"] == ranges.tensors["b"]
    assert ranges.tensors["a"].value_range == (-4.0, 4.0)
    with pytest.raises(RecordError, match="'best'"):
        ranges.with_methods({"a": "best"})


def test_the_summary_says_after_how_many_images_the_ranges_settled() -> None:
    ranges = _ranges()
    assert ranges.summary == "mse, settled after 96 of 256 images (1 of one colour left out)"
    assert replace(ranges, plain=0, settled=False, images=256).summary == "mse, 256 images"


def test_ranges_of_another_model_are_refused() -> None:
    ranges = _ranges()
    ranges.require_model("ab" * 32, "", Path("model.onnx"))
    with pytest.raises(
        MismatchError, match=r"are for the model ab\w{10}, but the model of other\.onnx is f{12}: .*--data"
    ):
        ranges.require_model("ff" * 32, "", Path("other.onnx"))


def test_trained_ranges_go_with_every_model_of_their_checkpoint(tmp_path: Path) -> None:
    replace(_ranges(), model_sha256="", checkpoint_sha256="cc" * 32).save(tmp_path / "m.ranges.json", force=False)
    ranges = Ranges.load(tmp_path / "m.ranges.json")
    ranges.require_model("ff" * 32, "cc" * 32, Path("model.onnx"))
    with pytest.raises(
        MismatchError, match=r"are for the checkpoint cc\w{10}, but the checkpoint of other\.onnx is d{12}"
    ):
        ranges.require_model("ff" * 32, "dd" * 32, Path("other.onnx"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("low", 1.0, "from at most 0 to at least 0, got 1.0"),
        ("method", "best", "the clip of its method 'best'"),
        ("clips", {"mse": -1.0}, "clips.*number >= 0"),
        ("histogram", 3, "not a file of ranges .*histogram: expected a list"),
        ("high", None, "not a file of ranges .*high: expected a number"),
    ],
)
def test_a_damaged_file_is_named(field: str, value: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.ranges.json"
    _ranges(a=_range(-1.0, 8.0, 8.0, 6.0, 5.0, 4.0)).save(path, force=False)
    content = json.loads(path.read_text())
    content["tensors"]["a"][field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=rf"m\.ranges\.json.*{message}.*`edgeunet export int8"):
        Ranges.load(path)
    del content["tensors"]["a"][field]
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=f"the field '{field}' is missing"):
        Ranges.load(path)


def test_a_missing_file_and_another_schema_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file; calibrate again"):
        Ranges.load(tmp_path / "none.json")
    (tmp_path / "a.json").write_text('{"schema": "edgeunet.ranges/99"}')
    with pytest.raises(RecordError, match=r"expected 'edgeunet\.ranges/1'"):
        Ranges.load(tmp_path / "a.json")
