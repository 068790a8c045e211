from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import ExportError
from edgeunet_export.calibration.wide_nodes import LIMIT, observed, wide_convolutions, wide_nodes
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_fp32_model, read_model
from tests.export.scaled import change, scaled


@pytest.fixture(scope="module")
def images(dataset: Path) -> list[Path]:
    return DatasetFolder.open(dataset).image_paths("train")[:3]


def test_an_ordinary_network_needs_no_float32(model: Path, binary_model: Path, images: list[Path]) -> None:
    for path in (model, binary_model):
        assert wide_nodes(*read_fp32_model(path), images) == frozenset()


def test_nodes_that_write_or_read_large_values_are_wide(model: Path, tmp_path: Path, images: list[Path]) -> None:
    proto, spec = read_model(scaled(model, tmp_path / "m.onnx", 1e6))
    wide = wide_nodes(FloatModel.of(proto), spec, images)
    assert wide == {"inc.0", "inc.2", "inc.3"}
    assert wide_convolutions(FloatModel.of(proto), wide) == ("inc.0", "inc.3")


def test_one_frame_of_many_decides(model: Path, tmp_path: Path, images: list[Path]) -> None:
    proto, spec = read_model(model)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("inc.0", onnx.TensorProto.FLOAT, None))
    peaks = [float(np.abs(outputs["inc.0"]).max()) for _, outputs in observed(proto, spec, images, "observing")]
    proto, spec = read_model(scaled(model, tmp_path / "m.onnx", 1.0001 * LIMIT / max(peaks)))
    loudest = images[int(np.argmax(peaks))]
    assert "inc.0" in wide_nodes(FloatModel.of(proto), spec, images)
    assert "inc.0" not in wide_nodes(FloatModel.of(proto), spec, [image for image in images if image != loudest])


def test_a_convolution_whose_weights_are_too_small_is_wide(model: Path, tmp_path: Path, images: list[Path]) -> None:
    proto, spec = read_model(scaled(model, tmp_path / "m.onnx", 1e-4))
    assert "inc.0" in wide_nodes(FloatModel.of(proto), spec, images)


def test_a_convolution_that_cancels_large_values_is_wide_with_what_makes_them(model: Path, images: list[Path]) -> None:
    """A shift of 4000 that the next convolution takes away again: float16 has steps of 2 to 4 there."""
    proto, spec = read_model(model)
    weights = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    change(proto, "down.1.1.3.bias", lambda bias: bias + 4000)
    change(proto, "up.0.up.0.bias", lambda bias: bias - 4000 * weights["up.0.up.0.weight"].sum(axis=(1, 2, 3)))
    wide = wide_nodes(FloatModel.of(proto), spec, images)
    assert {"up.0.up.0", "down.1.1.5", "down.1.1.3"} <= wide
    assert "down.1.1.0" not in wide


def test_an_activation_that_is_not_finite_is_named(model: Path, images: list[Path]) -> None:
    proto, spec = read_model(model)
    change(proto, "down.0.1.0.bias", lambda bias: bias * np.nan)
    with pytest.raises(ExportError, match=r"down\.0\.1\.0 has values that are not finite .* on 0000\.jpg"):
        wide_nodes(FloatModel.of(proto), spec, images)
