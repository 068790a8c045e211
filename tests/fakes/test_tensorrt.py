"""The fake has what the recorded lists have, and nothing else."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from edgeunet.board.gpu import Provider
from tests.fakes import tensorrt
from tests.fakes.tensorrt import TOY, VERSIONS, FakeTensorRT
from tests.models import write_toy_model


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("version", "provider"), [*((version, "tensorrt") for version in VERSIONS), ("1.7", "tensorrt_rtx")]
)
def test_its_members_are_exactly_the_recorded_ones(version: str, provider: Provider) -> None:
    fake = FakeTensorRT(version, provider)
    assert public(fake.module) == set(fake.members)
    for name, members in fake.members.items():
        if members is not None:
            recorded = {member for member in members if not member.startswith("_")}
            assert public(getattr(fake.module, name)) == recorded, name


@pytest.mark.parametrize("version", VERSIONS)
def test_its_objects_have_and_take_no_other_attribute(version: str, tmp_path: Path) -> None:
    fake = FakeTensorRT(version)
    trt = fake.module
    builder = trt.Builder(trt.Logger())
    network, config = builder.create_network(0), builder.create_builder_config()
    parser = trt.OnnxParser(network, trt.Logger())
    assert parser.parse_from_file(str(write_toy_model(tmp_path / "m.onnx")))
    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(fake.plan())
    objects = [builder, network, config, parser, network.get_input(0), engine, engine.create_execution_context()]
    for thing in objects:
        recorded = set(fake.members[type(thing).__name__] or ())
        assert public(thing) <= recorded
        with pytest.raises(AttributeError):
            thing.max_workspace_size = 1  # gone since TensorRT 10
        with pytest.raises(AttributeError):
            thing.execute_async_v2  # noqa: B018


def test_what_a_version_lacks_is_lacking() -> None:
    old, new = FakeTensorRT("10.3").module, FakeTensorRT("11.4").module
    assert hasattr(old.BuilderFlag, "FP16")
    assert not hasattr(new.BuilderFlag, "FP16")
    assert not hasattr(new, "IInt8EntropyCalibrator2")
    config = new.Builder(new.Logger()).create_builder_config()
    with pytest.raises(AttributeError, match="int8_calibrator"):
        config.int8_calibrator = None


def test_every_behaviour_stands_for_something_recorded() -> None:
    """A behaviour that no version has would be an invention."""
    lists = [FakeTensorRT(version).members for version in VERSIONS]
    for name, behaviour in tensorrt._BEHAVIOURS.items():
        recorded = {member for members in lists for member in members.get(name) or ()}
        own = {key for key, value in behaviour.__dict__.items() if not key.startswith("_") and value is not None}
        assert own <= recorded, name


def test_listed_members_without_behaviour_refuse_to_be_called() -> None:
    with pytest.raises(NotImplementedError, match=r"Builder\.reset"):
        FakeTensorRT("10.3").module.Builder(FakeTensorRT("10.3").module.Logger()).reset()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plan_runs_and_the_calls_are_recorded(version: str) -> None:
    fake = FakeTensorRT(version)
    trt = fake.module
    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(fake.plan(TOY))
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    assert names == ["frame", "mask"]
    assert engine.get_tensor_mode("mask") is trt.TensorIOMode.OUTPUT
    assert engine.get_tensor_dtype("frame") == trt.DataType.UINT8
    assert tuple(engine.get_tensor_shape("frame")) == (1, 32, 48, 3)
    context = engine.create_execution_context()
    assert not context.execute_async_v3(7), "without addresses nothing runs"
    fake.refused_addresses = {"mask"}
    assert not context.set_tensor_address("mask", 20)
    fake.refused_addresses = set()
    assert context.set_tensor_address("mask", 20)
    assert context.set_tensor_address("frame", 10)
    ran = []
    fake.on_execute = lambda addresses, stream: ran.append((addresses, stream)) or True  # type: ignore[func-returns-value]
    assert context.execute_async_v3(stream_handle=7)
    assert ran == [({"mask": 20, "frame": 10}, 7)]
    assert fake.methods_called("IExecutionContext")[-1] == "execute_async_v3"


def test_a_plan_of_another_version_gives_none() -> None:
    fake = FakeTensorRT("10.3")
    runtime = fake.module.Runtime(fake.module.Logger())
    assert runtime.deserialize_cuda_engine(FakeTensorRT("11.4").plan()) is None
    fake.deserializes = False
    assert runtime.deserialize_cuda_engine(fake.plan()) is None


def test_a_derived_class_must_call_the_constructor_as_with_pybind() -> None:
    trt = FakeTensorRT("10.3").module

    class Forgetful(trt.ILogger):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match="must be called"):
        trt.Builder(Forgetful())
    assert inspect.isclass(trt.ILogger.Severity)
