import struct
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import MismatchError, ModelFileError, OutputError, UsageError
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet_export.calibration.calibrate import CalibrationOptions
from edgeunet_export.calibration.export_table import export_table
from edgeunet_export.calibration.table_file import TensorRTVersion, read_table, write_table
from edgeunet_export.calibration.wide_nodes import observed
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.graph.types import element_types

V10_3 = TensorRTVersion(10, 3, 0)


def _stored(folder: Path, ranges: Ranges) -> Path:
    ranges.save(folder / "stored.json", force=False)
    return folder / "stored.json"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    limits = {"frame.float": 255.0, "down.0.1 (odd): name": 3.25, "small": 1e-6}
    write_table(tmp_path / "m.cache", TensorRTVersion(10, 13, 3), limits)
    header, read = read_table(tmp_path / "m.cache")
    assert header == "TRT-101303-EntropyCalibration2"
    assert list(read) == list(limits)
    assert list(read.values()) == pytest.approx(list(limits.values()), rel=1e-6)


def test_the_lines_are_those_that_tensorrt_writes(tmp_path: Path) -> None:
    write_table(tmp_path / "m.cache", V10_3, {"a": 127.0, "zero": 0.0, "b": 254.0})
    lines = (tmp_path / "m.cache").read_text().splitlines()
    assert lines == ["TRT-100300-EntropyCalibration2", "a: 3f800000", "zero: 3f800000", "b: 40000000"]
    (tmp_path / "n.cache").write_text("TRT-100300-EntropyCalibration2\ninput_1:0: 3c010a14\n")  # TrafficCamNet's
    assert read_table(tmp_path / "n.cache")[1] == pytest.approx({"input_1:0": 0.007875937968492508 * 127})


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_every_float_tensor_has_the_range_of_the_frames(
    method: str, model: Path, dataset: Path, tmp_path: Path
) -> None:
    options = CalibrationOptions(dataset, method=method, images=2)
    result = export_table(model, tmp_path / "m.cache", options, V10_3, force=False)
    proto, spec = read_model(model)
    types = element_types(proto)
    floats = [t for node in proto.graph.node for t in node.output if types[t] == TensorProto.FLOAT]
    header, limits = read_table(tmp_path / "m.cache")
    assert header == V10_3.header
    assert (result.ranges.images, result.tensors) == (2, len(floats))
    assert list(limits) == floats
    proto.graph.output.extend(helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in floats)
    chosen = options.chosen(DatasetFolder.open(dataset).image_paths("train"), spec)
    frames = [outputs for _, outputs in observed(proto, spec, chosen, "observing")]
    peaks = {t: max(float(np.abs(outputs[t]).max()) for outputs in frames) for t in floats}
    relu_of = {node.input[0]: node.output[0] for node in proto.graph.node if node.op_type == "Relu"}
    skip = next(group for group in place(FloatModel.of(proto).graph, TENSORRT).groups if "inc.5" in group)
    shared = max(peaks[t] for t in skip)
    assert len({limits[t] for t in skip}) == 1
    assert [limits[t] for t in ("frame.float", "frame.planes")] == pytest.approx([255.0, 255.0])
    assert all(limits[convolved] == limits[relu] for convolved, relu in relu_of.items())
    if method == "minmax":
        assert limits["inc.5"] == pytest.approx(shared, rel=1e-4)
        assert limits["logits"] == pytest.approx(peaks["logits"], rel=1e-4)
    else:
        assert 0.2 * shared < limits["inc.5"] < shared


def test_the_cache_follows_from_stored_ranges_alone(model: Path, dataset: Path, tmp_path: Path) -> None:
    result = export_table(model, tmp_path / "a.cache", CalibrationOptions(dataset, images=2), V10_3, force=False)
    result.ranges.save(tmp_path / "m.ranges.json", force=False)
    again = export_table(model, tmp_path / "b.cache", tmp_path / "m.ranges.json", V10_3, force=False)
    assert again == result
    assert (tmp_path / "b.cache").read_bytes() == (tmp_path / "a.cache").read_bytes()
    other = export_table(
        model,
        tmp_path / "c.cache",
        _stored(tmp_path, result.ranges.with_methods({"logits": "minmax"})),
        V10_3,
        force=False,
    )
    before, after = read_table(tmp_path / "a.cache")[1], read_table(tmp_path / "c.cache")[1]
    assert {tensor for tensor in before if before[tensor] != after[tensor]} == {"logits"}
    assert after["logits"] == pytest.approx(other.ranges.tensors["logits"].clips["minmax"], rel=1e-6)


def test_ranges_of_another_model_make_no_cache(model: Path, binary_model: Path, dataset: Path, tmp_path: Path) -> None:
    result = export_table(model, tmp_path / "a.cache", CalibrationOptions(dataset, images=1), V10_3, force=False)
    with pytest.raises(MismatchError, match=r"the ranges are for the model \w{12}, .*--data"):
        export_table(binary_model, tmp_path / "b.cache", _stored(tmp_path, result.ranges), V10_3, force=False)
    assert not (tmp_path / "b.cache").exists()


@pytest.mark.parametrize(
    ("text", "version"), [("10.3", (10, 3, 0)), ("10.13.3", (10, 13, 3)), ("10.3.0.30", (10, 3, 0))]
)
def test_versions_are_read_as_numbers(text: str, version: tuple[int, int, int]) -> None:
    assert TensorRTVersion.parse(text) == TensorRTVersion(*version)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("11.4", r"TensorRT 11\.4\.0 reads no calibration table, 10\.x was the last: .*`edgeunet export int8`"),
        ("8.6.1", r"TensorRT 8\.6\.1 is not supported: give 10\.3 or later"),
        ("10.2", "not supported"),
        ("ten", "--tensorrt is a version, got 'ten'"),
    ],
)
def test_other_versions_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TensorRTVersion.parse(text)


@pytest.mark.parametrize("text", ["", "hello\n", "TRT-100300-EntropyCalibration2\ninc.0: 12\n", "TRT-1-E\ninc.0\n"])
def test_a_damaged_cache_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.cache").write_text(text)
    with pytest.raises(ModelFileError, match=r"m\.cache is not a calibration table of TensorRT"):
        read_table(tmp_path / "m.cache")


def test_a_binary_file_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "m.cache").write_bytes(struct.pack(">f", 1.0) + b"\xff\xfe")
    with pytest.raises(ModelFileError, match="not a calibration table"):
        read_table(tmp_path / "m.cache")


def test_bad_input_leaves_nothing(model: Path, binary_model: Path, dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.cache"
    with pytest.raises(MismatchError, match="other, road"):
        export_table(binary_model, output, CalibrationOptions(dataset), V10_3, force=False)
    assert list(tmp_path.iterdir()) == []
    output.write_text("the old one")
    with pytest.raises(OutputError, match="--force"):
        export_table(model, output, CalibrationOptions(dataset), V10_3, force=False)
    assert output.read_text() == "the old one"
