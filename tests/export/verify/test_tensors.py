import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import MissingDependencyError
from edgeunet.imaging.letterbox import UInt8
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.model_file import onnx_session, read_model, set_spec, write_model
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.verify.accuracy import AccuracyBudget
from edgeunet_export.verify.tensors import deviations
from tests.export.scaled import change
from tests.export.trust.test_output_nodes import trusted_file
from tests.models import toy_spec, write_toy_model


@pytest.fixture
def frame() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def test_a_model_does_not_deviate_from_itself(model: Path, frame: UInt8) -> None:
    found = deviations(model, model, frame)
    assert {"frame.centred", "inc.2", "up.1.cat", "logits"} <= {d.tensor for d in found}
    assert {d.largest for d in found} == {0.0}


def test_what_comes_after_the_logits_is_left_out(model: Path, frame: UInt8, tmp_path: Path) -> None:
    path = trusted_file(model, tmp_path / "m.onnx")
    found = deviations(path, path, frame)
    assert "logits" in {d.tensor for d in found}
    assert not any(d.tensor.startswith(("confidence", "familiarity")) for d in found)


def test_a_change_is_found_where_it_begins_and_in_the_unit_of_the_tensor(
    model: Path, frame: UInt8, tmp_path: Path
) -> None:
    proto = onnx.load(model)
    change(proto, "out.bias", lambda bias: bias + 0.25)
    onnx.save(proto, tmp_path / "m.onnx")
    first, *others = deviations(model, tmp_path / "m.onnx", frame)
    assert first.tensor == "logits"
    assert first.largest == pytest.approx(0.25, abs=1e-5)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None))
    (logits,) = onnx_session(proto).run(["logits"], {"frame": frame[None]})
    logits[:] -= 0.25
    assert first.relative == pytest.approx(0.25 / np.abs(logits).max(), rel=1e-4)
    assert {d.largest for d in others} == {0.0}


def test_float16_tensors_are_compared_with_float32_ones_of_their_name(
    model: Path, frame: UInt8, tmp_path: Path
) -> None:
    proto, spec = read_model(model)
    fp16 = narrowed(proto, ())
    set_spec(fp16, spec)
    write_model(fp16, tmp_path / "fp16.onnx")
    found = {d.tensor: d for d in deviations(model, tmp_path / "fp16.onnx", frame)}
    assert 0 < found["logits"].relative < 0.01
    assert found["frame.float"].largest == 0.0


def test_int8_with_float16_scales_is_computed_as_a_gpu_would(model: Path, dataset: Path, tmp_path: Path) -> None:
    """ONNX Runtime's own rewriting would quantise the biases, by scales that float16 can't hold."""
    options = Int8Options(dataset, images=3, precision="int8+fp16", budget=AccuracyBudget(max_drop=100))
    export_int8(model, tmp_path / "int8.onnx", options, force=False)
    (_, road), *_ = read_frames(DatasetFolder.open(dataset).image_paths("train"))
    first, *_ = deviations(model, tmp_path / "int8.onnx", road)
    assert 0 < first.relative < 0.3


def test_models_of_other_sizes_have_nothing_to_compare(tmp_path: Path, frame: UInt8) -> None:
    a, b = write_toy_model(tmp_path / "a.onnx"), write_toy_model(tmp_path / "b.onnx", toy_spec((64, 96)))
    assert deviations(a, b, frame) == []


def test_without_polygraphy_the_command_is_named(model: Path, frame: UInt8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polygraphy.backend.onnx", None)
    with pytest.raises(MissingDependencyError, match=r"Polygraphy is not installed.*pip install polygraphy"):
        deviations(model, model, frame)
