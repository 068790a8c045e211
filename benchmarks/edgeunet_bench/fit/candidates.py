"""Untrained model files of every network, size and precision, to be swept on the device.

A network's time does not depend on its weights, so the device can be measured before anything is trained.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from onnx import ModelProto

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import UsageError
from edgeunet.network.unet import PRESETS, UNet, preset
from edgeunet.quantisation.target import TENSORRT, target_of
from edgeunet.spec import ModelSpec
from edgeunet.training.command import default_size
from edgeunet.utils.console import progress, stderr
from edgeunet.utils.folders import replacing_folder
from edgeunet.utils.limits import require_sizes
from edgeunet.version import __version__
from edgeunet_export.calibration.calibrate import calibrated
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import set_spec, write_model
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.export_int8 import Int8Options

Size = tuple[int, int]  # (height, width) in pixels
CALIBRATION_FRAMES = 2  # ranges change no latency


@dataclass(frozen=True)
class CandidateOptions:
    """sizes: input sizes; empty for the one that `edgeunet train` would choose. target: what will run them, see
    quantisation.target.TARGETS; TensorRT takes float16 too."""

    sizes: tuple[Size, ...] = ()
    target: str = TENSORRT.name

    def __post_init__(self) -> None:
        target_of(self.target)
        smallest = max(config.smallest_input for config in PRESETS.values())
        if len(set(self.sizes)) < len(self.sizes):
            raise UsageError("--sizes has a size twice: give each once")
        require_sizes(self.sizes)
        if small := [size for size in self.sizes if min(size) < smallest]:
            height, width = small[0]
            raise UsageError(f"the networks halve their input: give {smallest} pixels or more, got {height}x{width}")

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those that the target runs faster than float32."""
        on_gpu = target_of(self.target) is TENSORRT
        return ("fp32", "fp16", "int8", "int8+fp16") if on_gpu else ("fp32", "int8")


def write_candidates(data: Path, folder: Path, options: CandidateOptions, *, force: bool) -> list[Path]:
    """Write NETWORK-HEIGHTxWIDTH-PRECISION.onnx files for the classes of the dataset `data`; returns them by name.

    Raises DatasetError for a damaged dataset, OutputError if `folder` exists and `force` is false.
    """
    with replacing_folder(folder, force=force) as temporary, progress(by_itself=False) as bar:
        dataset = DatasetFolder.open(data)
        sizes = options.sizes or (default_size(load_split(dataset, "train", memory=0, quiet=True).facts),)
        on_gpu = target_of(options.target) is TENSORRT
        count = len(PRESETS) * len(sizes) * len(options.precisions)
        stderr().print(f"{count} files: {len(PRESETS)} networks × {len(sizes)} sizes × {', '.join(options.precisions)}")
        task = bar.add_task("writing untrained models", total=count, note="")
        for name, size in product(PRESETS, sizes):
            spec = ModelSpec(dataset.classes, size, ignore_index=dataset.ignore_index)
            bar.update(task, note=f"{name} {size[0]}×{size[1]}", refresh=True)
            for precision, model in _versions(name, spec, dataset, options):
                path = temporary / f"{file_stem(name, size, precision)}.onnx"
                write_model(model, path, for_tensorrt=on_gpu)
                bar.update(task, advance=1, refresh=True)
    return sorted(folder.glob("*.onnx"))


def file_stem(network: str, size: Size, precision: str) -> str:
    """The name of such a model file: "small-256x320-int8"."""
    return f"{network}-{size[0]}x{size[1]}-{precision}"


def _versions(
    name: str, spec: ModelSpec, dataset: DatasetFolder, options: CandidateOptions
) -> Iterator[tuple[str, ModelProto]]:
    """The network in each precision."""
    torch.manual_seed(0)
    net = UNet(preset(name, spec.logits)).eval()
    model = model_from_network(net, spec, dynamic_batch=False, logits=False)
    images = dataset.image_paths("train")[:CALIBRATION_FRAMES]
    float_model = FloatModel.of(model)
    with redirect_stderr(io.StringIO()):  # there is a progress bar already
        ranges = calibrated(float_model, spec, images, Int8Options(dataset.path))
    for precision in options.precisions:
        target = ""
        version = model
        if precision == "fp16":
            version = narrowed(model, frozenset())
        elif precision != "fp32":
            candidate = Candidate.of(float_model, ranges, target_of(options.target))
            if precision == "int8+fp16":
                candidate = candidate.with_float16(frozenset())
            version, target = candidate.int8, candidate.placement.target.name
        set_spec(version, spec.with_provenance(network=name, precision=precision, target=target, version=__version__))
        yield precision, version
