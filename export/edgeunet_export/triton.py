"""A model file → a Triton Inference Server model repository.

Fields as in Triton's own schema, model_config.proto of triton-inference-server/common.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from edgeunet.errors import MismatchError, ModelFileError, UsageError
from edgeunet.runtime.gpu.engine_file import EngineInfo, Machine, check_engine, info_path, read_engine_header
from edgeunet.spec import METADATA_KEY, ModelSpec
from edgeunet.utils.files import require_distinct, sha256
from edgeunet.utils.folders import replacing_folder
from edgeunet.utils.limits import MOST_BATCH, require_in
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.graph.model_file import read_model, weight_files

LABELS = "labels.txt"


@dataclass(frozen=True)
class TritonOptions:
    """Name and batch of the model in the server.

    name: of the model and of its folder; if empty, the file's name without ending.
    max_batch: most frames in one batch; a file of fixed batch takes one, an engine at most what it was built for.
    """

    name: str = ""
    max_batch: int = 8

    def __post_init__(self) -> None:
        if self.name:
            _checked_name(self.name)
        require_in("--max-batch", self.max_batch, 1, MOST_BATCH)


@dataclass(frozen=True)
class Served:
    """The facts about a model file that Triton needs.

    logits: whether it has them as a second output, float32 [N, spec.logits, H, W].
    trust: whether it has confidence, uint8 [N, H, W], and familiarity, float32 [N].
    max_batch: 0 for a file of fixed batch 1, as in Triton's configuration.
    weights: the files next to it that hold its weights, by their paths from its folder.
    """

    spec: ModelSpec
    platform: str
    file: str
    logits: bool
    max_batch: int
    weights: tuple[str, ...] = ()
    trust: bool = False


def export_triton(model: Path, repository: Path, options: TritonOptions, *, force: bool) -> Path:
    """Write `repository`/NAME, with the configuration and a copy of the model as version 1; returns that folder.

    Raises ModelFileError for a model that is damaged or not of edgeunet, MismatchError for tiles and for an engine that
    Triton cannot serve, OutputError if the folder exists and `force` is false; then no file is kept.
    """
    name = options.name or _checked_name(model.stem)
    require_distinct({"-o": repository / name}, {"MODEL": model}, replaced=[repository / name])
    with replacing_folder(repository / name, force=force) as temporary:
        served = (_engine if model.suffix == ".engine" else _onnx)(model, options.max_batch)
        (temporary / "1").mkdir()
        for weights in served.weights:
            (temporary / "1" / weights).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model.parent / weights, temporary / "1" / weights)
        shutil.copyfile(model, temporary / "1" / served.file)
        (temporary / LABELS).write_text("".join(f"{c}\n" for c in served.spec.names), encoding="utf-8")
        (temporary / "config.pbtxt").write_text(configuration(name, served), encoding="utf-8")
    return repository / name


def configuration(name: str, served: Served) -> str:
    """The text of config.pbtxt."""
    height, width = served.spec.input_size
    # Where Triton may batch, the dimensions do not include the batch.
    batch = [] if served.max_batch else [1]
    frame = f"data_type: TYPE_UINT8, dims: {[*batch, *served.spec.frame_shape]}"
    mask = f"data_type: TYPE_UINT8, dims: {[*batch, height, width]}"
    lines = [
        f"name: {_quoted(name)}",
        f'platform: "{served.platform}"',
        f"max_batch_size: {served.max_batch}",
        f'input {{ name: "frame", {frame} }}',
        f'output {{ name: "mask", {mask}, label_filename: "{LABELS}" }}',
    ]
    if served.logits:
        logits = f"data_type: TYPE_FP32, dims: {[*batch, served.spec.logits, height, width]}"
        lines.append(f'output {{ name: "logits", {logits} }}')
    if served.trust:
        lines.append(f'output {{ name: "confidence", {mask} }}')
        # An empty shape is none of Triton's: without its own batch dimension the one value is a vector of one.
        one = "dims: [1], reshape: { shape: [] }" if served.max_batch else "dims: [1]"
        lines.append(f'output {{ name: "familiarity", data_type: TYPE_FP32, {one} }}')
    if served.max_batch:
        lines.append("dynamic_batching { }")
    kind = "KIND_GPU" if served.platform == "tensorrt_plan" else "KIND_AUTO"  # AUTO: on the CPU if there is no GPU
    lines.append(f"instance_group {{ count: 1, kind: {kind} }}")
    for size in sorted({1, served.max_batch or 1}):
        zeros = f'inputs {{ key: "frame", value {{ {frame}, zero_data: true }} }}'
        lines.append(f'model_warmup {{ name: "zeros-{size}", batch_size: {size}, {zeros} }}')
    # Clients need the spec to fit their frames and to colour the mask.
    lines.append(f'parameters {{ key: "{METADATA_KEY}", value {{ string_value: {_quoted(served.spec.to_json())} }} }}')
    return "\n".join(lines) + "\n"


def _onnx(path: Path, max_batch: int) -> Served:
    model, spec = read_model(path)
    if spec.tiles != (1, 1):
        raise MismatchError(
            f"{path} takes {spec.input_text}, which only edgeunet's sessions cut and join: serve a model without tiles "
            "(`edgeunet export onnx CHECKPOINT --tiles 1x1`)"
        )
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    outputs = {output.name for output in model.graph.output}
    weights = weight_files(path)
    if "model.onnx" in weights:
        raise ModelFileError(f"{path} keeps weights in a file named model.onnx, as Triton names the model: rename it")
    batches = 0 if batch.dim_value else max_batch
    return Served(
        spec, "onnxruntime_onnx", "model.onnx", "logits" in outputs, batches, weights, "confidence" in outputs
    )


def _engine(path: Path, max_batch: int) -> Served:
    """As _onnx, from the file that the engine was built from: only TensorRT itself can read a plan's tensors.

    Another machine may serve it, so this machine is not checked.
    """
    header = read_engine_header(path)
    info = check_engine(path, Machine(header.version, None, EngineInfo.load(info_path(path)).platform))
    if info.provider != "tensorrt":
        raise MismatchError(
            f"{path} is an engine of TensorRT-RTX, and Triton needs an engine of TensorRT: build it without --provider"
        )
    options = EngineOptions.from_words(info.options, origin=str(info_path(path)))
    if options.logits_only:
        raise MismatchError(
            f"{path} leaves the mask to a kernel that Triton does not have: build without --logits-only"
        )
    source = path.parent / info.onnx
    if not source.is_file() or sha256(source) != info.spec.provenance.parent_sha256:
        raise MismatchError(
            f"{source} is not the file that {path.name} was built from: restore it, or build the engine again"
        )
    served = _onnx(source, min(max_batch, options.max_batch))
    return replace(served, spec=info.spec, platform="tensorrt_plan", file="model.plan", weights=())


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise UsageError(f"a model's name has letters, digits, dots, dashes and underscores, got {name!r}: give --name")
    return name


def _quoted(text: str) -> str:
    """A string in protobuf's text format, which has all escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)
