import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

from edgeunet.cli.export import app
from edgeunet.errors import MismatchError, ModelFileError, OutputError, UsageError
from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path
from edgeunet.spec import METADATA_KEY, ClassInfo, ModelSpec
from edgeunet.utils.files import sha256
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.triton import Served, TritonOptions, configuration, export_triton
from tests.fakes.engine import write_engine
from tests.fakes.tensorrt import FakeTensorRT
from tests.models import write_toy_model

SCHEMA = Path(__file__).parent / "triton_schema" / "model_config.binpb"
TYPES = {"tensor(uint8)": "TYPE_UINT8", "tensor(float)": "TYPE_FP32"}


def _parsed(text: str) -> Any:
    """The configuration as Triton reads it: its own protobuf schema refuses unknown fields, types and enum values."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(SCHEMA.read_bytes()))
    config = message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))()
    return text_format.Parse(text, config)


def _type_name(tensor: Any) -> str:
    field = tensor.DESCRIPTOR.fields_by_name["data_type"]
    return str(field.enum_type.values_by_number[tensor.data_type].name)


def _tensors(config: Any, batch: list[int | str]) -> list[tuple[str, str, list[int | str]]]:
    return [(t.name, _type_name(t), [*batch, *t.dims]) for t in (*config.input, *config.output)]


def _tensors_of_file(path: Path) -> list[tuple[str, str, list[int | str]]]:
    session = onnxruntime.InferenceSession(path)
    return [(t.name, TYPES[t.type], t.shape) for t in (*session.get_inputs(), *session.get_outputs())]


def test_a_file_of_fixed_batch_is_served_as_it_is(model: Path, tmp_path: Path) -> None:
    folder = export_triton(model, tmp_path / "repository", TritonOptions("road"), force=False)
    assert folder == tmp_path / "repository" / "road"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        ".edgeunet.json",
        "1/model.onnx",
        "config.pbtxt",
        "labels.txt",
    ]
    assert (folder / "1" / "model.onnx").read_bytes() == model.read_bytes()
    config = _parsed((folder / "config.pbtxt").read_text())
    assert (config.name, config.platform, config.max_batch_size) == ("road", "onnxruntime_onnx", 0)
    assert _tensors(config, []) == _tensors_of_file(model)
    assert not config.HasField("dynamic_batching")
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, group.KIND_AUTO)


def test_a_file_of_dynamic_batch_is_batched(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(checkpoint, path, ExportOptions(dynamic_batch=True, logits=True), data=None, split="val", force=False)
    folder = export_triton(path, tmp_path, TritonOptions(max_batch=4), force=False)
    config = _parsed((folder / "config.pbtxt").read_text())
    assert (config.name, config.max_batch_size) == ("m", 4)
    assert config.HasField("dynamic_batching")
    assert _tensors(config, ["N"]) == _tensors_of_file(path)
    assert [t.name for t in config.output] == ["mask", "logits"]
    assert [warm.batch_size for warm in config.model_warmup] == [1, 4]


@pytest.mark.parametrize("batch", [1, "N"])
def test_confidence_and_familiarity_are_served(batch: int | str, tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx", batch=batch, trust=True)
    config = _parsed((export_triton(path, tmp_path, TritonOptions(), force=False) / "config.pbtxt").read_text())
    (mask, confidence, familiarity) = config.output
    assert (confidence.name, _type_name(confidence), confidence.dims) == ("confidence", "TYPE_UINT8", mask.dims)
    assert (familiarity.name, _type_name(familiarity), list(familiarity.dims)) == ("familiarity", "TYPE_FP32", [1])
    assert familiarity.HasField("reshape") == (batch == "N"), "the tensor [N] has no dimension besides the batch"


def test_the_warm_up_sends_a_frame_of_zeros(model: Path, tmp_path: Path) -> None:
    config = _parsed((export_triton(model, tmp_path, TritonOptions(), force=False) / "config.pbtxt").read_text())
    (warm,) = config.model_warmup
    assert warm.batch_size == 1
    assert set(warm.inputs) == {"frame"}
    frame = warm.inputs["frame"]
    assert (_type_name(frame), list(frame.dims), frame.zero_data) == ("TYPE_UINT8", [1, 64, 96, 3], True)


def test_a_client_can_read_classes_and_spec(model: Path, tmp_path: Path) -> None:
    spec = read_model(model)[1]
    folder = export_triton(model, tmp_path, TritonOptions(), force=False)
    config = _parsed((folder / "config.pbtxt").read_text())
    (labelled,) = [output.label_filename for output in config.output if output.name == "mask"]
    assert (folder / labelled).read_text().splitlines() == list(spec.names)
    assert ModelSpec.from_json(config.parameters[METADATA_KEY].string_value, origin="config.pbtxt") == spec


def test_names_with_quotes_backslashes_and_accents_are_escaped() -> None:
    spec = ModelSpec((ClassInfo('a "b" \\n', (0, 0, 0)), ClassInfo("chaussée", (9, 9, 9))), (32, 48))
    config = _parsed(configuration("m", Served(spec, "onnxruntime_onnx", "model.onnx", logits=False, max_batch=0)))
    assert ModelSpec.from_json(config.parameters[METADATA_KEY].string_value, origin="config.pbtxt") == spec


def test_a_model_of_that_name_is_kept_unless_forced(model: Path, binary_model: Path, tmp_path: Path) -> None:
    folder = export_triton(model, tmp_path, TritonOptions("m"), force=False)
    with pytest.raises(OutputError, match="--force"):
        export_triton(binary_model, tmp_path, TritonOptions("m"), force=False)
    assert (folder / "1" / "model.onnx").read_bytes() == model.read_bytes()
    export_triton(binary_model, tmp_path, TritonOptions("m"), force=True)
    assert (folder / "1" / "model.onnx").read_bytes() == binary_model.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_foreign_model_leaves_no_repository(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ModelFileError, match="is not a model but a text"):
        export_triton(tmp_path / "m.onnx", tmp_path, TritonOptions(), force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("options", [{"name": "a/b"}, {"name": "../a"}, {"max_batch": 0}])
def test_a_name_or_batch_that_triton_cannot_have_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TritonOptions(**options)


def _engine(model: Path, folder: Path, **changes: Any) -> Path:
    """An engine file as built from a model on a Jetson; only its contents are not a plan's."""
    source = folder / "source" / "m.onnx"
    source.parent.mkdir()
    shutil.copy(model, source)
    path = source.with_suffix(".engine")
    spec = read_model(model)[1].with_provenance(precision="fp16", parent_sha256=sha256(model))
    info = write_engine(path, FakeTensorRT("10.3"))
    replace(info, **{"spec": spec, "options": (), **changes}).save(info_path(path))
    return path


def test_an_engine_is_served_as_a_plan_on_the_gpu(model: Path, tmp_path: Path) -> None:
    engine = _engine(model, tmp_path)
    folder = export_triton(engine, tmp_path, TritonOptions(), force=False)
    config = _parsed((folder / "config.pbtxt").read_text())
    assert (config.platform, config.max_batch_size) == ("tensorrt_plan", 0)
    assert (folder / "1" / "model.plan").read_bytes() == engine.read_bytes()
    assert _tensors(config, []) == _tensors_of_file(model)
    assert config.instance_group[0].kind == config.instance_group[0].KIND_GPU
    assert '"precision": "fp16"' in config.parameters[METADATA_KEY].string_value


def test_a_batch_is_no_larger_than_the_engine_takes(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(checkpoint, path, ExportOptions(dynamic_batch=True), data=None, split="val", force=False)
    engine = _engine(path, tmp_path, options=("--level", "5", "--max-batch", "4"))
    folder = export_triton(engine, tmp_path, TritonOptions("road", max_batch=16), force=False)
    assert _parsed((folder / "config.pbtxt").read_text()).max_batch_size == 4


def test_engines_that_triton_cannot_serve_are_refused(model: Path, tmp_path: Path) -> None:
    engine = _engine(model, tmp_path, options=("--logits-only",))
    with pytest.raises(MismatchError, match="--logits-only"):
        export_triton(engine, tmp_path, TritonOptions(), force=False)
    engine.with_suffix(".onnx").write_bytes(b"another model")
    replace(EngineInfo.load(info_path(engine)), options=()).save(info_path(engine))
    with pytest.raises(MismatchError, match="is not the file that"):
        export_triton(engine, tmp_path, TritonOptions(), force=False)
    plan = engine.read_bytes()
    engine.write_bytes(b"vtrt" + plan[4:])
    replace(EngineInfo.load(info_path(engine)), provider="tensorrt_rtx", plan_sha256=sha256(engine)).save(
        info_path(engine)
    )
    with pytest.raises(MismatchError, match="TensorRT-RTX"):
        export_triton(engine, tmp_path, TritonOptions(), force=False)
    engine.write_bytes(plan[:-1])
    with pytest.raises(ModelFileError, match="cut short"):
        export_triton(engine, tmp_path, TritonOptions(), force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_the_command_says_what_it_wrote_and_how_to_serve_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app(["triton", str(model), "-o", str(tmp_path), "--name", "road"], standalone_mode=False)
    out = capsys.readouterr().out
    assert str(tmp_path / "road") in out
    assert f"tritonserver --model-repository={tmp_path}" in out
    assert (tmp_path / "road" / "config.pbtxt").is_file()


def test_tiles_are_not_served(checkpoint: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiled.onnx"
    export_onnx(checkpoint, model, ExportOptions(tiles=(2, 3)), data=None, split="", force=False)
    with pytest.raises(MismatchError, match="takes 2×3 tiles of 64×96, which only edgeunet's sessions cut and join"):
        export_triton(model, tmp_path / "repository", TritonOptions("road"), force=False)
    assert not (tmp_path / "repository").exists()
