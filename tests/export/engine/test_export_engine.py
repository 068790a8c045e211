"""The engine, the files next to it, when it is built again, and the errors when it cannot be built."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from edgeunet.board.gpu import Gpu
from edgeunet.cli.export import app
from edgeunet.errors import (
    EdgeUNetError,
    ExportError,
    GpuError,
    MissingDependencyError,
    ModelFileError,
    OutputError,
    UsageError,
)
from edgeunet.runtime.gpu.engine_file import EngineHeader, check_engine, read_engine_header
from edgeunet_export.calibration.table_file import TensorRTVersion, write_table
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.engine.export_engine import export_engine
from tests.export.engines import Board, build, table_for
from tests.fakes.engine import ORIN
from tests.fakes.tensorrt import FakeTensorRT
from tests.models import toy_spec, write_toy_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_toy_model(tmp_path / "m.onnx")


def test_the_engine_is_a_plain_plan_and_the_rest_is_next_to_it(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board("10.16")
    build(model)
    plan = (tmp_path / "m.engine").read_bytes()
    engine = fake.module.Runtime(fake.module.Logger()).deserialize_cuda_engine(plan)
    assert engine.num_io_tensors == 2
    assert read_engine_header(tmp_path / "m.engine") == EngineHeader("tensorrt", (10, 16, 0, 0))
    log = (tmp_path / "m.engine.log").read_text()
    assert "INFO: the fake builds" in log
    assert "every thought" not in log, "verbose messages are far too many"
    facts = json.loads((tmp_path / "m.engine.json").read_text())
    assert facts["onnx"] == "m.onnx"
    assert facts["spec"]["provenance"]["parent_sha256"] == facts["onnx_sha256"]
    assert {path.name for path in tmp_path.iterdir()} == {
        *("m.onnx", "m.engine", "m.engine.json", "m.engine.log", "m.timing")
    }


def test_the_timing_cache_is_next_to_the_model_and_grows(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board()
    assert not build(model).timing_cache_refused
    assert (tmp_path / "m.timing").read_bytes() == b"timed;"
    build(model, force=True)
    assert (tmp_path / "m.timing").read_bytes() == b"timed;timed;"
    fake.refuses_timing_cache = True
    assert build(model, force=True).timing_cache_refused
    assert (tmp_path / "m.timing").read_bytes() == b"timed;", "another machine's is replaced"
    build(model, EngineOptions(timing_cache=tmp_path / "all.timing"), force=True)
    assert (tmp_path / "all.timing").exists()


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        ("Cuda Runtime (out of memory)", GpuError, r"memory ran out.*\(Cuda Runtime .*smaller --workspace"),
        ("Requested size was 1 bytes: OutOfMemory", GpuError, "memory ran out"),
        ("Could not find any implementation for node x", ExportError, r"could not build.*node x.*m\.engine\.log"),
    ],
)
def test_a_failed_build_says_why_and_leaves_the_log_alone(
    said: str, kind: type[EdgeUNetError], says: str, board: Board, model: Path, tmp_path: Path
) -> None:
    board().build_error = said
    with pytest.raises(kind, match=says):
        build(model)
    assert f"ERROR: {said}" in (tmp_path / "m.engine.log").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx", "m.engine.log"}


def test_a_failed_build_leaves_the_engine_there_was(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board()
    info = build(model).info
    with pytest.raises(OutputError, match="exists already"):
        build(model)
    fake.build_error = "broken"
    with pytest.raises(ExportError):
        build(model, force=True)
    assert check_engine(tmp_path / "m.engine") == info


def test_if_stale_builds_only_what_does_not_fit(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board("10.3")
    assert build(model, if_stale=True).built, "there was none"
    builds = fake.methods_called("Builder").count("build_serialized_network")
    result = build(model, if_stale=True)
    assert (result.built, result.info) == (False, check_engine(tmp_path / "m.engine"))
    assert fake.methods_called("Builder").count("build_serialized_network") == builds

    def stale(options: EngineOptions | None = None) -> str:
        result = build(model, options, if_stale=True)
        assert result.built
        assert not build(model, options, if_stale=True).built, "it fits now"
        return result.stale

    assert stale(EngineOptions(level=1)) == "its options were none"
    assert stale() == "its options were --level 1"
    (tmp_path / "m.engine").write_bytes((tmp_path / "m.engine").read_bytes()[:-1])
    assert "cut short" in stale()
    (tmp_path / "m.engine.json").unlink()
    assert "no m.engine.json next to it, which describes it" in stale()
    write_toy_model(model, toy_spec().with_provenance(dataset_sha256="1"))
    assert "ONNX file" in stale()
    board("10.16")
    assert "by TensorRT 10.3.0.0, this machine has 10.16.0" in stale()
    board("10.16", replace(ORIN, multiprocessors=8))
    assert stale() == "for 16 multiprocessors, this machine has 8"
    board("10.16", replace(ORIN, memory_mib=15388, multiprocessors=8))
    assert stale().endswith("for Orin with 62841 MiB of memory, this machine has 15388")
    board("10.16", Gpu("Thor", "11.0", "13.0"))
    assert stale().endswith("for Orin (compute capability 8.7), this machine has Thor (11.0)")


def test_if_stale_sees_other_ranges_under_the_same_name(board: Board, model: Path, tmp_path: Path) -> None:
    board()
    options = EngineOptions(cache=table_for("10.3", tmp_path))
    build(model, options)
    assert not build(model, options, if_stale=True).built
    write_table(tmp_path / "m.cache", TensorRTVersion(10, 3, 0), {"frame": 254.0})
    assert "calibration table has changed" in build(model, options, if_stale=True).stale


def test_tensorrt_rtx_builds_without_a_gpu(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    fake = FakeTensorRT("1.7", "tensorrt_rtx")
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", fake.module)
    info = build(model, EngineOptions(provider="tensorrt_rtx")).info
    assert read_engine_header(tmp_path / "m.engine").provider == "tensorrt_rtx"
    assert (info.gpu, info.options) == ("", ("--provider", "tensorrt_rtx"))
    assert not (tmp_path / "m.timing").exists()
    assert check_engine(tmp_path / "m.engine") == info


def test_models_of_another_contract_are_refused(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board()
    proto = onnx.load(model)
    proto.graph.output[0].name = proto.graph.node[-1].output[0] = "classes"
    onnx.save(proto, model)
    with pytest.raises(ModelFileError, match="frame and mask, both uint8"):
        build(model)
    assert fake.calls == []
    with pytest.raises(ModelFileError, match="no such model"):
        build(tmp_path / "none.onnx")
    with pytest.raises(ModelFileError, match="no edgeunet spec"):
        build(write_toy_model(tmp_path / "bare.onnx", with_spec=False))


def test_a_file_for_cpus_is_refused(board: Board, tmp_path: Path) -> None:
    board()
    path = write_toy_model(tmp_path / "cpu.onnx", toy_spec().with_provenance(precision="int8", target="cpu"))
    with pytest.raises(ModelFileError, match=r"INT8 for CPUs.*--target tensorrt"):
        build(path)


def test_without_gpu_or_bindings_nothing_is_made(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> Gpu:
        raise GpuError("there is no NVIDIA driver here")

    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.find_gpu", no_driver)
    with pytest.raises(GpuError, match="no NVIDIA driver"):
        build(model)
    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.find_gpu", lambda: ORIN)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingDependencyError, match="TensorRT is not installed"):
        build(model)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_an_engine_is_named_so_that_sessions_know_it(model: Path) -> None:
    with pytest.raises(UsageError, match=r"name it m\.engine"):
        export_engine(model, model.with_suffix(".plan"), EngineOptions(), if_stale=False, force=False)


def test_the_command_says_what_was_built(
    board: Board, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = board()
    command = ["engine", str(model), "-o", str(tmp_path / "m.engine"), "--if-stale"]
    app(command, standalone_mode=False)
    out = capsys.readouterr().out
    assert "m.engine: fp32, 0.0 MB, tensorrt 10.3.0 for Orin (8.7), built in 0 s" in out
    app(command, standalone_mode=False)
    assert "up to date" in capsys.readouterr().out
    fake.refuses_timing_cache = True
    app([*command, "--level", "2"], standalone_mode=False)
    out = capsys.readouterr().out
    assert "built again: its options were none" in out
    assert "timing cache was from another machine" in out
