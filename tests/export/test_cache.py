import struct
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeunet.data.folder import DatasetFolder
from edgeunet.errors import MismatchError, ModelFileError, OutputError, UsageError
from export.cache import export_cache
from export.cachefile import TensorRTVersion, read_cache, write_cache
from export.calibrate import CalibrationOptions, observed
from export.dialect import TENSORRT
from export.dtypes import element_types
from export.modelfile import read_model
from export.placement import place

V10_3 = TensorRTVersion(10, 3, 0)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    limits = {"frame.float": 255.0, "down.0.1 (odd): name": 3.25, "small": 1e-6}
    write_cache(tmp_path / "m.cache", TensorRTVersion(10, 13, 3), limits)
    header, read = read_cache(tmp_path / "m.cache")
    assert header == "TRT-101303-EntropyCalibration2"
    assert list(read) == list(limits)
    assert list(read.values()) == pytest.approx(list(limits.values()), rel=1e-6)


def test_the_lines_are_those_that_tensorrt_writes(tmp_path: Path) -> None:
    write_cache(tmp_path / "m.cache", V10_3, {"a": 127.0, "zero": 0.0, "b": 254.0})
    lines = (tmp_path / "m.cache").read_text().splitlines()
    assert lines == ["TRT-100300-EntropyCalibration2", "a: 3f800000", "zero: 3f800000", "b: 40000000"]
    (tmp_path / "n.cache").write_text("TRT-100300-EntropyCalibration2\ninput_1:0: 3c010a14\n")  # TrafficCamNet's
    assert read_cache(tmp_path / "n.cache")[1] == pytest.approx({"input_1:0": 0.007875937968492508 * 127})


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_every_float_tensor_has_the_range_of_the_frames(
    method: str, model: Path, dataset: Path, tmp_path: Path
) -> None:
    result = export_cache(
        model, tmp_path / "m.cache", CalibrationOptions(dataset, method=method, images=2), V10_3, force=False
    )
    proto, spec = read_model(model)
    types = element_types(proto)
    floats = [t for node in proto.graph.node for t in node.output if types[t] == TensorProto.FLOAT]
    header, limits = read_cache(tmp_path / "m.cache")
    assert header == V10_3.header
    assert (result.images, result.tensors) == (2, len(floats))
    assert list(limits) == floats
    proto.graph.output.extend(helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in floats)
    images = [DatasetFolder.open(dataset).image_paths("train")[i] for i in (0, 4)]
    frames = [outputs for _, outputs in observed(proto, spec, images, "observing")]
    peaks = {t: max(float(np.abs(outputs[t]).max()) for outputs in frames) for t in floats}
    skip = next(group for group in place(proto, TENSORRT).groups if "inc.5" in group.tensors)
    shared = max(peaks[t] for t in skip.tensors)
    assert len({limits[t] for t in skip.tensors}) == 1
    if method == "minmax":
        assert limits["inc.5"] == pytest.approx(shared, rel=1e-6)
        assert limits["logits"] == pytest.approx(peaks["logits"], rel=1e-6)
        assert limits["inc.0"] == pytest.approx(peaks["inc.0"], rel=1e-6)
    else:
        assert 0.2 * shared < limits["inc.5"] < shared


@pytest.mark.parametrize(
    ("text", "version"), [("10.3", (10, 3, 0)), ("10.13.3", (10, 13, 3)), ("10.3.0.30", (10, 3, 0))]
)
def test_versions_are_read_as_numbers(text: str, version: tuple[int, int, int]) -> None:
    assert TensorRTVersion.parse(text) == TensorRTVersion(*version)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("11.4", r"TensorRT 11\.4\.0 reads no calibration cache, 10\.x was the last: .*`edgeunet export int8`"),
        ("8.6.1", r"TensorRT 8\.6\.1 is not supported: give 10\.3 or later"),
        ("10.2", "not supported"),
        ("ten", "'ten' is no TensorRT version"),
    ],
)
def test_other_versions_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TensorRTVersion.parse(text)


@pytest.mark.parametrize("text", ["", "hello\n", "TRT-100300-EntropyCalibration2\ninc.0: 12\n", "TRT-1-E\ninc.0\n"])
def test_a_damaged_cache_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.cache").write_text(text)
    with pytest.raises(ModelFileError, match=r"m\.cache is no calibration cache of TensorRT"):
        read_cache(tmp_path / "m.cache")


def test_a_binary_file_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "m.cache").write_bytes(struct.pack(">f", 1.0) + b"\xff\xfe")
    with pytest.raises(ModelFileError, match="no calibration cache"):
        read_cache(tmp_path / "m.cache")


def test_bad_input_leaves_nothing(model: Path, binary_model: Path, dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.cache"
    with pytest.raises(MismatchError, match="other, road"):
        export_cache(binary_model, output, CalibrationOptions(dataset), V10_3, force=False)
    assert list(tmp_path.iterdir()) == []
    output.write_text("the old one")
    with pytest.raises(OutputError, match="--force"):
        export_cache(model, output, CalibrationOptions(dataset), V10_3, force=False)
    assert output.read_text() == "the old one"
