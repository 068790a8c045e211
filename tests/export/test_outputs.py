"""No export writes over what it reads, over a folder, over what it did not make, or under a name of something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgeunet.errors import EdgeUNetError, ModelFileError, OutputError, RecordError, UsageError
from edgeunet.utils.files import sha256
from edgeunet_export.calibration.calibrate import CalibrationOptions
from edgeunet_export.calibration.export_table import export_table
from edgeunet_export.calibration.table_file import TensorRTVersion
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.graph.model_file import read_model, weight_files
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.triton import TritonOptions, export_triton
from edgeunet_export.verify.accuracy import AccuracyBudget

Export = Callable[[Path, Path, Path], object]  # checkpoint or model, output, data
ALL = AccuracyBudget(max_drop=100)


def to_onnx(source: Path, output: Path, data: Path) -> object:
    return export_onnx(source, output, ExportOptions(), data=data, split="val", force=True)


def to_fp16(source: Path, output: Path, data: Path) -> object:
    return export_fp16(source, output, Fp16Options(data, images=1), force=True)


def to_int8(source: Path, output: Path, data: Path) -> object:
    return export_int8(source, output, Int8Options(data, images=1, budget=ALL), force=True)


def to_cache(source: Path, output: Path, data: Path) -> object:
    return export_table(source, output, CalibrationOptions(data, images=1), TensorRTVersion(10, 3, 0), force=True)


EXPORTS = [(to_onnx, "checkpoint"), (to_fp16, "model"), (to_int8, "model"), (to_cache, "model")]


@pytest.mark.parametrize(("export", "kind"), EXPORTS)
def test_a_folder_is_no_file_and_an_input_is_no_output(
    export: Export, kind: str, request: pytest.FixtureRequest, dataset: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source.onnx"  # whatever it is: its content tells
    shutil.copy(request.getfixturevalue(kind), source)
    before = sha256(source)
    (tmp_path / "link.onnx").symlink_to(source)
    for output in (source, tmp_path / "link.onnx", tmp_path / ".." / tmp_path.name / "source.onnx"):
        with pytest.raises(UsageError, match=r"is also (MODEL|CHECKPOINT)"):
            export(source, output, dataset)
    folder = tmp_path / ("folder" if export is to_cache else "folder.onnx")
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="is a folder: give the name of a file"):
        export(source, folder, dataset)
    assert (folder / "thesis.txt").read_text() == "precious"
    assert sha256(source) == before


@pytest.mark.parametrize(("export", "kind"), EXPORTS)
@pytest.mark.parametrize("name", ["out.pt", "out.engine", "out.png"])
def test_a_file_is_not_named_what_it_is_not(
    export: Export, kind: str, name: str, request: pytest.FixtureRequest, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"{name}: .* the ending"):
        export(request.getfixturevalue(kind), tmp_path / name, dataset)
    assert list(tmp_path.iterdir()) == []


def test_a_report_replaces_no_folder_that_is_not_one(model: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("precious")
    options = Int8Options(dataset, images=1, budget=ALL, report=tmp_path / "thesis")
    with pytest.raises(OutputError, match="did not make"):
        export_int8(model, tmp_path / "int8.onnx", options, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]
    shutil.copy(model, tmp_path / "thesis" / "model.onnx")
    with pytest.raises(UsageError, match="is inside"):
        export_int8(tmp_path / "thesis" / "model.onnx", tmp_path / "int8.onnx", options, force=True)


def test_a_model_in_the_repository_is_not_replaced_by_itself(model: Path, tmp_path: Path) -> None:
    folder = export_triton(model, tmp_path, TritonOptions("m"), force=False)
    with pytest.raises(UsageError, match="is inside"):
        export_triton(folder / "1" / "model.onnx", tmp_path, TritonOptions("m"), force=True)


def test_ranges_that_lack_a_tensor_are_named(model: Path, dataset: Path, tmp_path: Path) -> None:
    to_int8(model, tmp_path / "a.onnx", dataset)
    value = json.loads((tmp_path / "a.ranges.json").read_text())
    lacking = "inc.2"
    del value["tensors"][lacking]
    (tmp_path / "lack.json").write_text(json.dumps(value))
    options = Int8Options(dataset, images=1, budget=ALL, ranges=tmp_path / "lack.json")
    with pytest.raises(RecordError, match=rf"lack\.json has no range of the tensor {lacking}: calibrate again"):
        export_int8(model, tmp_path / "b.onnx", options, force=False)
    with pytest.raises(RecordError, match="has no range"):
        export_table(model, tmp_path / "c", tmp_path / "lack.json", TensorRTVersion(10, 3, 0), force=False)


def test_weights_next_to_a_model_go_into_the_repository_too(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    source = tmp_path / "outside.onnx"
    onnx.save(proto, source, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert weight_files(source) == ("w.bin",)
    folder = export_triton(source, tmp_path / "repository", TritonOptions("m"), force=False)
    read_model(folder / "1" / "model.onnx")
    (tmp_path / "w.bin").unlink()
    with pytest.raises(ModelFileError, match=r"outside\.onnx is not a valid ONNX model"):
        export_triton(source, tmp_path / "repository", TritonOptions("n"), force=False)


@pytest.mark.parametrize("change", ["opset", "ir"])
def test_what_cannot_be_converted_is_refused_before_the_work(
    change: str, model: Path, dataset: Path, tmp_path: Path
) -> None:
    proto = onnx.load(model)
    if change == "opset":
        proto.opset_import[0].version = 21
    else:
        proto.ir_version = 10
    onnx.save(proto, tmp_path / "newer.onnx")
    for export in (to_fp16, to_int8):
        with pytest.raises(ModelFileError, match="TensorRT and OpenVINO read opsets 17 to 20"):
            export(tmp_path / "newer.onnx", tmp_path / "out.onnx", dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["newer.onnx"]


def test_constants_inside_the_graph_keep_their_type_in_float16() -> None:
    """As the limits of a ReLU6 come from PyTorch: a Clip whose bounds are Constant nodes."""
    bounds = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, np.float32)))
        for name, value in (("low", 0.0), ("high", 6.0))
    ]
    shape = [1, 3, 4, 4]
    graph = helper.make_graph(
        [*bounds, helper.make_node("Clip", ["x", "low", "high"], ["y"])],
        "relu6",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
    )
    half = narrowed(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), ())
    onnx.checker.check_model(half, full_check=True)
    assert [node.op_type for node in half.graph.node].count("Cast") == 4  # three inputs to float16, and back


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CalibrationOptions(Path(), seed=2**32),
        lambda: CalibrationOptions(Path(), images=10**10),
        lambda: Fp16Options(images=10**10),
        lambda: TritonOptions(max_batch=10**9),
        lambda: AccuracyBudget(max_drop=float("nan")),
    ],
)
def test_numbers_out_of_range_name_their_option(wrong: Callable[[], object]) -> None:
    with pytest.raises(EdgeUNetError, match=r"^--\w+"):
        wrong()


def test_without_its_ranges_no_int8_model_is_kept(
    model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("cannot write q.ranges.json: no space left on device")

    monkeypatch.setattr("edgeunet.quantisation.ranges_file.Ranges.save", full)
    with pytest.raises(OutputError, match="no space left"):
        to_int8(model, tmp_path / "q.onnx", dataset)
    assert list(tmp_path.iterdir()) == []
