"""INT8 on deliberately hard cases: plain min-max, the exporter's default, and its repair.

    python -m benchmarks.studies.hard_cases best.pt DATASET -o benchmarks/results/hard_cases.json

All cases come from one checkpoint and one dataset; drops are in points of mIoU on the dataset's labels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import onnx
import torch
import typer
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from benchmarks.studies.study import OptionalOutput, Study, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import ExportError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import UNet
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import QuantisationTarget, target_of
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import table
from edgeunet.utils.files import sha256
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.calibration.sampling import representative
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import onnx_session, read_fp32_model
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.repair import Repair, Task, repaired
from edgeunet_export.verify.accuracy import Accuracy, AccuracyBudget, judged

STUDY = Study(__doc__ or "")
FACTOR = 1000.0  # between the channels of one tensor
OUTLIER = 300.0  # times the largest activation of the other channels
RARE = 0.9999  # share of the pixels on which the outlier's channel is silent
NIGHT = 0.15  # of the light that is left
NOISE = 3.0  # grey levels of standard deviation
FEW = 4  # calibration images


@dataclass(frozen=True)
class Case:
    """One float model file, the images that it is calibrated on, and why that is hard."""

    name: str
    model: Path
    images: Sequence[Path]


def cases(checkpoint: Path, data: DatasetFolder, split: str, count: int, folder: Path) -> Iterator[Case]:
    """The hard cases, written into `folder`: at most `count` calibration images of a split."""
    net, spec = load_model(checkpoint)
    plain = _written(folder / "plain.onnx", net, spec)
    rescale_before_norm(net)
    normed = _written(folder / "normed.onnx", net, spec)
    model = onnx.load(plain)
    rescale_before_convolution(model)
    onnx.save(model, rescaled := folder / "rescaled.onnx")
    images = representative(data.image_paths(split), count, 0)
    model = onnx.load(plain)
    add_outliers(model, [frame for _, frame in read_frames(images[:FEW])], spec)
    onnx.save(model, outliers := folder / "outliers.onnx")
    yield Case("as trained", plain, images)
    yield Case(f"filters times {FACTOR:g}, batch norm absorbs it", normed, images)
    yield Case(f"channels times {FACTOR:g}, the next convolution absorbs it", rescaled, images)
    yield Case("outlier activations", outliers, images)
    yield Case("calibrated at night, run by day", plain, at_night(data.image_paths(split), count, folder / "night"))
    yield Case(f"{FEW} calibration images", plain, images[:: max(1, len(images) // FEW)][:FEW])
    black = folder / "black.png"
    cv2.imwrite(str(black), np.zeros((*spec.input_size, 3), np.uint8))
    yield Case(
        f"{FEW} calibration images and a black one", plain, [*images[:: max(1, len(images) // FEW)][:FEW], black]
    )


class Outcomes(NamedTuple):
    """The result of a case: plain min-max, the default, and the repaired model or why there is none."""

    minmax: Accuracy
    default: Accuracy
    repair: Repair | ExportError


def quantise(
    case: Case, data: DatasetFolder, split: str, target: QuantisationTarget, budget: AccuracyBudget
) -> Outcomes:
    """Quantise the case in all three ways and judge each on a labelled split."""
    model, spec = read_fp32_model(case.model)
    options = CalibrationOptions(data.path)

    def calibrate(changed: FloatModel) -> Ranges:
        return calibrated(changed, spec, case.images, options)

    def judge(int8: ModelProto) -> Accuracy:
        return judged(case.model, int8, data, split)

    ranges = calibrate(model)
    plain = ranges.with_methods(dict.fromkeys(ranges.tensors, "minmax"))
    candidate = Candidate.of(model, ranges, target)
    minmax, default = (judge(each.int8) for each in (replace(candidate, ranges=plain), candidate))
    task = Task(candidate, spec, case.images, calibrate, judge)
    try:
        return Outcomes(minmax, default, repaired(task, budget))
    except ExportError as error:
        return Outcomes(minmax, default, error)


def rescale_before_norm(net: UNet) -> None:
    """Multiply every third filter of the last convolution that has a batch norm; its statistics take it back."""
    blocks = [module for module in net.modules() if isinstance(module, torch.nn.Sequential)]
    pairs = [pair for block in blocks for pair in zip(block, list(block)[1:], strict=False)]
    conv, norm = [p for p in pairs if isinstance(p[0], torch.nn.Conv2d) and isinstance(p[1], torch.nn.BatchNorm2d)][-1]
    with torch.no_grad():
        conv.weight[::3] *= FACTOR  # type: ignore[index, operator]
        if conv.bias is not None:
            conv.bias[::3] *= FACTOR  # type: ignore[index, operator]
        norm.running_mean[::3] *= FACTOR  # type: ignore[index, operator]
        norm.running_var[::3] *= FACTOR**2  # type: ignore[index, operator]


def rescale_before_convolution(model: ModelProto) -> None:
    """Multiply every third channel between two convolutions, and divide the weights that read it."""
    first, second = _last_pair(model)
    stored = _stored(model)
    channels = stored[first.input[1]].shape[0]
    factors = np.where(np.arange(channels) % 3 == 0, FACTOR, 1.0)
    _store(model, first.input[1], stored[first.input[1]] * factors.reshape(-1, 1, 1, 1))
    _store(model, first.input[2], stored[first.input[2]] * factors)
    _store(model, second.input[1], stored[second.input[1]] / factors.reshape(1, -1, 1, 1))


def add_outliers(model: ModelProto, frames: Sequence[UInt8], spec: ModelSpec) -> None:
    """Add a channel between two convolutions that is rarely on, then very large, and hardly counts.

    It is a copy of the channel that reaches highest, above its own 99.99 % quantile only.
    """
    first, second = _last_pair(model)
    stored = _stored(model)
    weight, bias, reader = (stored[name] for name in (*first.input[1:3], second.input[1]))
    values = _activations(model, first.output[0], frames, spec)  # (C, pixels)
    peaks = values.max(axis=1)
    channel = int(peaks.argmax())
    threshold = float(np.quantile(values[channel], RARE))
    gain = OUTLIER * float(peaks[channel]) / (float(peaks[channel]) - threshold)
    _store(model, first.input[1], np.concatenate([weight, gain * weight[channel : channel + 1]]))
    _store(model, first.input[2], np.append(bias, gain * (bias[channel] - threshold)))
    own = reader[:, channel : channel + 1] * 0.05 / gain
    _store(model, second.input[1], np.concatenate([reader, own], axis=1))


def at_night(images: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """The darkest quarter of the images, at most `count`, darkened further and with noise, as files in `folder`."""
    generator = np.random.default_rng(0)
    frames = sorted(read_frames(images), key=lambda item: float(item[1].mean()))[: max(1, len(images) // 4)][:count]
    folder.mkdir()
    for name, frame in frames:
        dark = NIGHT * frame + generator.normal(0, NOISE, frame.shape)
        cv2.imwrite(str(folder / f"{Path(name).stem}.png"), np.clip(dark, 0, 255).astype(np.uint8))
    return sorted(folder.iterdir())


def _last_pair(model: ModelProto) -> tuple[NodeProto, NodeProto]:
    """The last two convolutions with only a ReLU between them, before the one of the logits."""
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for tensor in node.input:
            readers.setdefault(tensor, []).append(node)
    convolutions = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    for node in reversed(convolutions):
        after = readers[node.output[0]]
        if [reader.op_type for reader in after] == ["Relu"]:
            then = readers[after[0].output[0]]
            if [reader.op_type for reader in then] == ["Conv"] and then[0].output[0] != convolutions[-1].output[0]:
                return node, then[0]
    raise ExportError("the network has no two convolutions with nothing but a ReLU between them: take another one")


def _activations(model: ModelProto, tensor: str, frames: Sequence[UInt8], spec: ModelSpec) -> NDArray[np.float32]:
    shown = ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    session = onnx_session(shown)
    values = [session.run([tensor], {"frame": tile})[0][0] for frame in frames for tile in fitted_tiles(frame, spec)]
    return np.concatenate([value.reshape(len(value), -1) for value in values], axis=1)


def _stored(model: ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _store(model: ModelProto, name: str, value: NDArray[Any]) -> None:
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))


def _written(path: Path, net: UNet, spec: ModelSpec) -> Path:
    onnx.save(model_from_network(net, spec, dynamic_batch=False, logits=False), path)
    return path


def figures(accuracy: Accuracy) -> dict[str, Any]:
    drop = accuracy.drop
    return {
        "drop_points": round(drop.points, 3) if drop else None,
        "interval": [round(bound, 3) for bound in drop.interval] if drop and drop.interval else None,
        "agreement": round(accuracy.comparison.agreement, 5),
    }


def record_of(result: Outcomes) -> dict[str, Any]:
    record: dict[str, Any] = {"minmax": figures(result.minmax), "default": figures(result.default)}
    if isinstance(result.repair, ExportError):
        return {**record, "refused": str(result.repair)}
    repair = result.repair
    return {
        **record,
        "repaired": figures(repair.accuracy),
        "steps": [step.name for step in repair.steps[1:] if step.kept],
        "in_float": len(repair.candidate.floating),
        "evaluations": repair.evaluations,
    }


Checkpoint = Annotated[Path, typer.Argument(help="Checkpoint of `edgeunet train`.")]
Data = Annotated[Path, typer.Argument(help="Dataset: train calibrates, val is scored.")]
Target = Annotated[str, typer.Option(help="What will run the INT8 file: tensorrt, onnxruntime or openvino.")]
MaxDrop = Annotated[float, typer.Option(help="Points of mIoU that INT8 may lose.")]
Images = Annotated[int, typer.Option(min=1, help="Calibration images, at most.")]


def result_of(
    checkpoint: Path, data: DatasetFolder, target: str, budget: AccuracyBudget, records: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """The content of the result file of a study on a checkpoint."""
    return {
        "checkpoint_sha256": sha256(checkpoint),
        "dataset_sha256": load_split(data, "val", memory=0, quiet=True).sha256,
        "dataset": data.path.name,
        "target": target,
        "max_drop_points": budget.max_drop,
        **more,
        "cases": records,
        "machine": fingerprint({"backend": "onnxruntime"}),
    }


def print_drops(records: dict[str, Any], budget: AccuracyBudget, kinds: Sequence[str]) -> None:
    """A row for each case."""
    drops = {
        name: [record.get(kind, {}).get("drop_points", "refused") for kind in kinds] for name, record in records.items()
    }
    rows = [(name, *map(str, of_kinds)) for name, of_kinds in drops.items()]
    table(f"drop in points of mIoU, at most {budget.max_drop:g}", ("case", *kinds), rows)


def measure(checkpoint: Path, data: DatasetFolder, target: str, budget: AccuracyBudget, images: int) -> dict[str, Any]:
    """What the result file holds."""
    with tempfile.TemporaryDirectory() as folder:
        records = {
            case.name: record_of(quantise(case, data, "val", target_of(target), budget))
            for case in cases(checkpoint, data, "train", images, Path(folder))
        }
    return result_of(checkpoint, data, target, budget, records)


def main(
    checkpoint: Checkpoint,
    data: Data,
    target: Target = "tensorrt",
    max_drop: MaxDrop = 0.3,
    images: Images = 64,
    output: OptionalOutput = None,
    force: Force = False,
) -> None:
    """Quantise each hard case in three ways, and print what each loses."""
    dataset, budget = DatasetFolder.open(data), AccuracyBudget(max_drop)
    inputs = [checkpoint, data]
    result = STUDY.keep(
        output, lambda: measure(checkpoint, dataset, target, budget, images), force=force, inputs=inputs
    )
    print_drops(result["cases"], budget, ("minmax", "default", "repaired"))


if __name__ == "__main__":
    run(main)
