"""Value ranges of a model's activations, from frames that run through it, one on each core."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from edgeunet.board.machine import physical_cores
from edgeunet.errors import DatasetError, ExportError, RecordError, UsageError
from edgeunet.imaging.pixels import levelled
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.quantisation.clipping import METHODS, Histogram, clip
from edgeunet.quantisation.placement import Placement
from edgeunet.quantisation.ranges_file import REMEDY, Ranges, TensorRange
from edgeunet.quantisation.value_ranges import ranged_tensors, value_ranges
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet.utils.limits import FRAMES, SEED, require_in
from edgeunet_export.calibration.frames import read_frame
from edgeunet_export.calibration.sampling import distinct, is_plain, representative
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import model_sha256, onnx_session

CHECK_EVERY = 32
"""Images between two checks of whether the ranges have settled."""
SETTLED = 0.05
"""The ranges have settled when two checks in a row find no clip that moved by more than this share. With 256 frames of
CamVid and a trained `nano`, mse and percentile settle after 128, at most 5 % from the clips of all frames; minmax and
entropy need them all."""
_MEMORY = 4 << 30  # bytes, for the activations of all frames that run at the same time
_SUMMARY_BINS = 64


@dataclass(frozen=True)
class CalibrationOptions:
    """What to calibrate on: at most `images` images, spread by what they show, of `data`.

    data: a dataset, of which `split` counts; a folder of photos; or a video.

    method: "minmax", "percentile" (99.99 %), "entropy" (Kullback-Leibler) or "mse".
    seed: for the choice of images.
    """

    data: Path
    split: str = "train"
    # Pixels that stay the same, mean of three networks trained on the sample frames: mse 99.66 %, entropy 99.58,
    # minmax 99.53, percentile 99.44; on the sample clip, from another camera, 99.05, 98.30, 98.74, 97.79.
    method: str = "mse"
    images: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"unknown calibration method {self.method!r}: choose one of {', '.join(METHODS)}")
        require_in("--calib-images", self.images, 1, FRAMES)
        require_in("--seed", self.seed, 0, SEED)

    def chosen(self, images: Sequence[Path], spec: ModelSpec) -> list[Path]:
        """Of these images. Raises DatasetError for one that cannot be read."""
        return representative(images, self.images, self.seed, spec)


def calibrated(
    model: FloatModel, spec: ModelSpec, images: Sequence[Path], options: CalibrationOptions, *, stop: bool = True
) -> Ranges:
    """The ranges of a float model's tensors, with the clips of all methods.

    images: files of frames of any size. Duplicates and frames of one colour are left out: a covered lens would fill the
    histograms with values that do not occur in scenes. Names, order and the number of cores do not change a bit of the
        ranges.
    stop: stop once the ranges have settled.

    In memory are the activations of one frame for each core, and a histogram of fixed size for each tensor.
    Raises ExportError for an activation that is not finite, naming layer and image; DatasetError if an image cannot be
    read, if there are none, and if all show one colour.
    """
    files = distinct(images)
    hashes, paths = list(files), list(files.values())
    probe = _Probe(model, spec)
    totals = {tensor: Histogram() for tensor in probe.tensors}
    used: list[str] = []
    clips: dict[str, float] = {}
    seen, quiet = 0, 0
    with progress() as bar, ThreadPoolExecutor(probe.workers) as pool:
        task = bar.add_task("calibrating", total=len(paths), note="")
        while seen < len(paths) and quiet < 2:
            for histograms in pool.map(probe.histograms, paths[seen : seen + CHECK_EVERY]):
                if histograms:
                    used.append(hashes[seen])
                for tensor, histogram in histograms.items():
                    totals[tensor].merge(histogram)
                seen += 1
                bar.advance(task)
            if stop and seen < len(paths):
                before, clips = clips, {tensor: clip(total, options.method) for tensor, total in totals.items()}
                moved = any(abs(clips[t] - before.get(t, 0.0)) > SETTLED * clips[t] for t in clips)
                quiet = 0 if moved else quiet + 1
        if quiet == 2:
            bar.update(task, note="settled")
    if not used:
        raise DatasetError(_nothing_to_see(len(images)))
    return Ranges(
        model_sha256=model_sha256(model.proto),
        images_sha256=hashlib.sha256("".join(used).encode()).hexdigest(),
        split=options.split,
        seed=options.seed,
        method=options.method,
        images=len(used),
        offered=len(images),
        plain=seen - len(used),
        settled=quiet == 2,
        tensors={tensor: _range(total, options.method) for tensor, total in totals.items()},
    )


def stored_ranges(path: Path, source: Path, model: FloatModel, spec: ModelSpec, placement: Placement) -> Ranges:
    """The ranges in a file, complete for the placement of the model at `source`.

    Raises RecordError for a damaged or incomplete file, MismatchError for the ranges of another model.
    """
    ranges = Ranges.load(path)
    ranges.require_model(model_sha256(model.proto), spec.provenance.checkpoint_sha256, source)
    known = value_ranges(model.graph, ranges.value_ranges)
    if lacking := [tensor for group in placement.groups for tensor in group if tensor not in known]:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise RecordError(f"{path} has no range of the tensor {lacking[0]}{more}: {REMEDY}")
    return ranges


class _Probe:
    """A model with its activations as outputs, and a session for each thread."""

    def __init__(self, model: FloatModel, spec: ModelSpec) -> None:
        self.tensors = ranged_tensors(model.graph)
        self.workers = max(1, min(physical_cores(), _MEMORY // _activation_bytes(model, self.tensors)))
        self._model = _observable(model.proto, self.tensors)
        self._spec = spec
        self._own = threading.local()

    def histograms(self, path: Path) -> dict[str, Histogram]:
        """The histogram of each tensor for one image; none for a frame of one colour."""
        frame = read_frame(path, self._spec)
        if is_plain(levelled(frame, self._spec.levels)):
            return {}
        if not hasattr(self._own, "session"):
            self._own.session = self._session()
        result = {tensor: Histogram() for tensor in self.tensors}
        for tile in fitted_tiles(frame, self._spec):
            arrays = self._own.session.run(self.tensors, {"frame": tile})
            for tensor, array in zip(self.tensors, arrays, strict=True):
                try:
                    result[tensor].add(array)
                except ValueError as error:
                    raise not_finite(tensor, path.name) from error
        return result

    def _session(self) -> OrtModel:
        """With one thread: all cores are busy with other frames, and the sums do not depend on the number of cores.

        Each session keeps its own memory for the next frame: 160 ms per frame instead of 210 for `small` at 480x360.
        The memory of a session that several threads share would grow.
        """
        return onnx_session(self._model, threads=1, arena=True)


def _activation_bytes(model: FloatModel, tensors: Sequence[str]) -> int:
    """Of these float32 tensors for one frame; at least 1."""
    return 1 + sum(4 * math.prod(max(1, size) for size in model.shapes.get(tensor, (0,))) for tensor in tensors)


def _range(histogram: Histogram, method: str) -> TensorRange:
    counts, width = histogram.summary(_SUMMARY_BINS)
    clips = {name: clip(histogram, name) for name in METHODS}
    return TensorRange(histogram.low, histogram.high, clips, method, width, counts)


def _nothing_to_see(images: int) -> str:
    if not images:
        return "no calibration images: give a dataset with some in --data and --split"
    what = "the only calibration image shows" if images == 1 else f"all {images} calibration images show"
    return f"{what} one colour only, so there are no ranges to find: give frames that the camera took of a scene"


def not_finite(tensor: str, image: str) -> ExportError:
    """The error for an activation that is NaN or infinite."""
    return ExportError(
        f"{tensor} has values that are not finite (NaN or infinite) on {image}: the model's weights are damaged or "
        f"too large, train it again"
    )


def _observable(model: ModelProto, tensors: list[str]) -> ModelProto:
    """The same model with these float32 tensors as its outputs."""
    observable = ModelProto()
    observable.CopyFrom(model)
    del observable.graph.output[:]
    # Without a shape in the file, ONNX Runtime infers it.
    observable.graph.output.extend(helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in tensors)
    return observable
