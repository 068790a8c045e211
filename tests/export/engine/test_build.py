"""What the builder tells each version's bindings, and what it makes of their answers."""

from __future__ import annotations

import inspect
import os
import signal
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import onnx
import pytest
from onnx import TensorProto, helper

from edgeunet.board.gpu import Gpu
from edgeunet.cli.export import app, engine
from edgeunet.errors import GpuError, ModelFileError, UsageError
from edgeunet.runtime.gpu.engine_file import check_engine
from edgeunet_export.engine.build import EngineOptions
from tests.export.engines import Board, build, table_for, told
from tests.fakes.engine import ORIN
from tests.fakes.tensorrt import VERSIONS, FakeTensorRT
from tests.models import toy_spec, write_toy_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_toy_model(tmp_path / "m.onnx")


def network_flags(fake: FakeTensorRT) -> int:
    ((flags,),) = [arguments for _, name, arguments in fake.calls if name == "create_network"]
    return cast("int", flags)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8+fp16"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_precision_builds_strongly_typed(version: str, precision: str, board: Board, tmp_path: Path) -> None:
    fake = board(version)
    model = write_toy_model(tmp_path / "m.onnx", toy_spec().with_provenance(precision=precision))
    options = EngineOptions(level=5, workspace=256)
    result = build(model, options)
    strongly = 1 << int(fake.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert network_flags(fake) == (0 if version == "11.4" else strongly)
    settings = told(fake)
    assert settings["set_flag"] == ()
    assert settings["builder_optimization_level"] == (5,)
    assert settings["max_aux_streams"] == (0,)
    assert settings["profiling_verbosity"] == (fake.module.ProfilingVerbosity.DETAILED,)
    assert settings["set_memory_pool_limit"] == ("MemoryPoolType.WORKSPACE", 256 << 20)
    assert "progress_monitor" in settings
    assert not {"int8_calibrator", "DLA_core", "default_device_type"} & set(settings)
    info = result.info
    assert (result.built, result.stale) == (True, "")
    assert info == check_engine(tmp_path / "m.engine")
    assert info.spec.provenance.precision == precision
    assert (info.gpu, info.compute_capability, info.flags) == ("Orin", "8.7", ("STRONGLY_TYPED",))
    assert (info.gpu_memory_mib, info.multiprocessors, info.dla_core) == (62841, 16, None)
    assert info.options == ("--workspace", "256", "--level", "5")
    assert info.build_seconds >= 0


@pytest.mark.parametrize("version", ["10.3", "10.16"])
def test_a_calibration_cache_makes_implicit_int8(version: str, board: Board, model: Path, tmp_path: Path) -> None:
    fake = board(version)
    cache = table_for(version, tmp_path)
    info = build(model, EngineOptions(cache=cache)).info
    assert network_flags(fake) == 0, "weakly typed"
    assert told(fake)["set_flag"] == ("BuilderFlag.FP16", "BuilderFlag.INT8")
    assert ("Builder", "calibrate", (cache.read_bytes(),)) in fake.calls
    assert info.spec.provenance.precision == "int8+fp16"
    assert info.spec.provenance.calibration.startswith("m.cache ")
    assert info.flags == ("FP16", "INT8")


@pytest.mark.parametrize("with_cache", [False, True])
def test_the_dla_falls_back_to_the_gpu_and_says_for_what(
    with_cache: bool,
    board: Board,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = board("10.3")
    fake.dla_cores, fake.not_on_dla = 2, {"index", "mask"}
    cache = ["--cache", str(table_for("10.3", tmp_path))] if with_cache else []
    app(["engine", str(model), "-o", str(tmp_path / "m.engine"), "--dla", "1", *cache], standalone_mode=False)
    settings = told(fake)
    assert settings["DLA_core"] == (1,)
    assert settings["default_device_type"] == (fake.module.DeviceType.DLA,)
    names = ["FP16", "INT8", "GPU_FALLBACK"] if with_cache else ["FP16", "GPU_FALLBACK"]
    assert settings["set_flag"] == tuple(f"BuilderFlag.{name}" for name in names)
    info = check_engine(tmp_path / "m.engine")
    assert info.gpu_layers == ("index", "mask")
    assert info.dla_core == 1
    assert info.spec.provenance.precision == ("int8+fp16" if with_cache else "fp16")
    assert "2 layers fell back to the GPU: index, mask" in capsys.readouterr().out


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8+fp16"])
def test_the_dla_of_tensorrt_11_runs_what_the_file_says(precision: str, board: Board, tmp_path: Path) -> None:
    fake = board("11.4.1")
    fake.dla_cores, fake.not_on_dla = 2, {"index"}
    model = write_toy_model(tmp_path / "m.onnx", toy_spec().with_provenance(precision=precision))
    info = build(model, EngineOptions(dla=1)).info
    settings = told(fake)
    assert settings["DLA_core"] == (1,)
    assert settings["default_device_type"] == (fake.module.DeviceType.DLA,)
    assert settings["set_flag"] == ("BuilderFlag.GPU_FALLBACK",)
    parser = [call[1:] for call in fake.calls if call[0] == "OnnxParser"]
    assert parser[0] == ("set_flag", ("OnnxParserFlag.ADJUST_FOR_DLA",)), "before it parses"
    assert [name for name, _ in parser].count("set_flag") == 1, "REPORT_CAPABILITY_DLA would refuse the file"
    assert (info.flags, info.gpu_layers, info.dla_core) == (("STRONGLY_TYPED", "GPU_FALLBACK"), ("index",), 1)
    assert info.spec.provenance.precision == precision


def test_fp32_is_no_file_for_the_dla_of_tensorrt_11(board: Board, model: Path) -> None:
    fake = board("11.4.1")
    fake.dla_cores = 2
    with pytest.raises(ModelFileError, match=r"fp32, which the DLA cannot run.*export fp16.*int8\+fp16"):
        build(model, EngineOptions(dla=0))
    assert fake.methods_called("Builder") == []


@pytest.mark.parametrize("version", ["10.8.0.43", "10.16.2.10", "11.1.0", "11.4.0"])
@pytest.mark.parametrize("with_cache", [False, True])
def test_a_release_without_a_dla_is_refused_by_its_number(
    version: str, with_cache: bool, board: Board, model: Path, tmp_path: Path
) -> None:
    """Its bindings name the DLA, and may count cores, all the same."""
    fake = board("10.16" if version < "11" else "11.4")
    fake.module.__dict__["__version__"] = version
    fake.dla_cores = 2
    cache = table_for("10.16", tmp_path) if with_cache and version < "11" else None
    with pytest.raises(GpuError, match=rf"TensorRT {version} has no DLA: .*10\.3 to 10\.7.*11\.4\.1 or later"):
        build(model, EngineOptions(dla=0, cache=cache))
    assert fake.methods_called("Builder") == []


@pytest.mark.parametrize(
    ("gpu", "given", "limit"),
    [
        (replace(ORIN, memory_mib=7618), None, 7618 // 4),
        (replace(ORIN, memory_mib=7618), 4000, 4000),
        (replace(ORIN, integrated=False), None, None),
    ],
)
def test_a_layer_leaves_memory_to_the_system_that_shares_it(
    gpu: Gpu, given: int | None, limit: int | None, board: Board, model: Path
) -> None:
    fake = board("10.3", gpu)
    info = build(model, EngineOptions(workspace=given)).info
    told_limit = told(fake).get("set_memory_pool_limit")
    assert told_limit == (None if limit is None else ("MemoryPoolType.WORKSPACE", limit << 20))
    assert info.options == (() if given is None else ("--workspace", "4000")), "as typed"


def test_a_dla_core_that_is_not_there_is_refused(board: Board, model: Path) -> None:
    board().dla_cores = 1
    with pytest.raises(GpuError, match=r"no DLA core 1 here, TensorRT 10\.3\.0 sees 1"):
        build(model, EngineOptions(dla=1))


def test_a_calibration_table_is_refused_on_11_with_the_reason(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board("11.4.1")
    fake.dla_cores = 2
    for dla in (None, 0):
        with pytest.raises(UsageError, match=r"11\.4\.1 runs only what the file says.*leave out --cache"):
            build(model, EngineOptions(cache=table_for("10.3", tmp_path), dla=dla))
    assert fake.methods_called("Builder") == []


def test_weak_typing_starts_from_the_fp32_model(board: Board, tmp_path: Path) -> None:
    board()
    model = write_toy_model(tmp_path / "m.onnx", toy_spec().with_provenance(precision="int8"))
    with pytest.raises(ModelFileError, match="is int8 already: give the fp32 model"):
        build(model, EngineOptions(dla=0))


def test_a_cache_of_another_version_or_none_is_refused(board: Board, model: Path, tmp_path: Path) -> None:
    board("10.16")
    with pytest.raises(ModelFileError, match=r"TRT-100300-.*10\.16\.0 reads 'TRT-101600-.*cache --tensorrt 10\.16\.0`"):
        build(model, EngineOptions(cache=table_for("10.3", tmp_path)))
    with pytest.raises(ModelFileError, match="no such calibration table"):
        build(model, EngineOptions(cache=tmp_path / "none.cache"))


def test_a_dynamic_batch_gets_a_profile(board: Board, model: Path) -> None:
    proto = onnx.load(model)
    for tensor in (*proto.graph.input, *proto.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(proto, model)
    fake = board()
    build(model)
    assert ("IOptimizationProfile", "set_shape", ("frame", *[(1, 32, 48, 3)] * 3)) in fake.calls, "memory for one frame"
    fake = board()
    build(model, EngineOptions(max_batch=4), force=True)
    ((name, *shapes),) = [arguments for _, method, arguments in fake.calls if method == "set_shape"]
    assert (name, shapes) == ("frame", [(1, 32, 48, 3), (1, 32, 48, 3), (4, 32, 48, 3)])
    assert "add_optimization_profile" in fake.methods_called("IBuilderConfig")
    fake.dla_cores = 1
    with pytest.raises(UsageError, match="DLA takes a fixed batch only"):
        build(model, EngineOptions(dla=0), force=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_logits_only_leaves_the_mask_out(version: str, board: Board, model: Path, tmp_path: Path) -> None:
    fake = board(version)
    with pytest.raises(UsageError, match="has no logits, and --logits-only"):
        build(model, EngineOptions(logits_only=True))
    proto = onnx.load(model)
    proto.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, 32, 48]))
    onnx.save(proto, model)
    assert build(model, EngineOptions(logits_only=True)).info.options == ("--logits-only",)
    assert ("INetworkDefinition", "unmark_output", ("mask",)) in fake.calls
    assert ("ICastLayer", "to_type", (fake.module.DataType.FLOAT,)) in fake.calls, "TensorRT refuses uint8 inside"
    assert b'"mask"' not in (tmp_path / "m.engine").read_bytes()


def test_a_build_shows_its_progress(board: Board, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board().steps = 7
    seen: list[str] = []

    class Bar:
        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def add_task(self, description: str, *, total: int, note: str) -> int:
            seen.append(f"{description} of {total}")
            return 0

        def update(self, task: int, *, completed: int) -> None:
            seen.append(str(completed))

        def remove_task(self, task: int) -> None:
            seen.append("done")

    monkeypatch.setattr("edgeunet_export.engine.export_engine.progress", Bar)
    build(model)
    assert seen == ["Building of 7", *map(str, range(1, 8)), "done"]


def test_ctrl_c_ends_the_build_at_its_next_step(board: Board, model: Path, tmp_path: Path) -> None:
    """The signal comes while TensorRT calls back; an exception there would pass through its C++."""
    fake = board()
    before = signal.getsignal(signal.SIGINT)
    original = fake.module.Builder.build_serialized_network
    plans = []

    def interrupted(builder: Any, network: Any, config: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        plans.append(original(builder, network, config))
        return plans[0]

    fake.module.Builder.build_serialized_network = interrupted
    with pytest.raises(KeyboardInterrupt):
        build(model)
    assert plans == [None], "the monitor has stopped the build"
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "m.engine").exists()


def test_parser_errors_are_joined_with_their_nodes(board: Board, model: Path, tmp_path: Path) -> None:
    fake = board()
    fake.parse_errors = [("up.1", "GridSample", "no importer\nregistered"), *[("n", "Op", "too")] * 6]
    with pytest.raises(ModelFileError, match=r"GridSample up\.1: no importer registered; Op n: too;.*and 2 more") as e:
        build(model)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "m.engine").exists()


def test_a_builder_that_is_null_is_a_gpu_error(board: Board, model: Path) -> None:
    board().builder_is_null = True
    with pytest.raises(GpuError, match="did not create a builder"):
        build(model)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"level": 6}, "0 to 5, got 6"),
        ({"workspace": 0}, "--workspace is from 1 to"),
        ({"max_batch": 0}, "--max-batch is from 1 to"),
        ({"dla": -1}, "--dla is from 0 to 15"),
        ({"provider": "tensorflow"}, "choose tensorrt or tensorrt_rtx"),
        ({"provider": "tensorrt_rtx", "dla": 0}, "TensorRT-RTX has no DLA"),
        ({"provider": "tensorrt_rtx", "timing_cache": Path("t")}, "no timing cache"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        EngineOptions(**wrong)


def test_the_options_as_typed_are_those_of_the_command() -> None:
    parameters = set(inspect.signature(engine).parameters) - {"model", "output", "force", "if_stale"}
    assert parameters == {field.name for field in fields(EngineOptions)}
    options = EngineOptions(workspace=64, level=5, logits_only=True, dla=0, cache=Path("a b.cache"))
    expected = ["--workspace", "64", "--level", "5", "--logits-only", "--dla", "0", "--cache", "a b.cache"]
    assert options.words() == tuple(expected)
