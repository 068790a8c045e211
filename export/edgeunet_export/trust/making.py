"""A float model → the same with confidence and familiarity, and what both mean, measured on frames kept for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.loading import load_split
from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet_export.calibration.frames import read_frame, spread
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import set_spec
from edgeunet_export.trust.feature_map import feature_map
from edgeunet_export.trust.fitting import STRANGE, best_temperature, fitted
from edgeunet_export.trust.judging import JudgedFrames, judged_frames
from edgeunet_export.trust.observing import ShownNetwork
from edgeunet_export.trust.output_nodes import Familiarity, with_trust

TRAIN = "train"
FRAMES = 512
"""Most images of the training split for the features, and most labelled frames of the other, evenly spread."""
FEWEST_TRAINING = 3  # a frame is held out, and two others show how much ordinary ones differ
NEEDS = (
    "--confidence is measured on labelled frames that the network was not trained on: give --data of a dataset with "
    f"at least {FEWEST_TRAINING} images in images/train and two labelled frames in --split"
)
_Frame = tuple[Pixels, UInt8 | None]


def require_labelled(data: Path | None, split: str) -> None:
    """Raise UsageError unless this is a dataset with a training split and with masks of `split`.

    Raises DatasetError if it is none at all.
    """
    if data is None or (data.exists() and not (data / CLASSES_FILE).is_file()) or split == TRAIN:
        raise UsageError(NEEDS)
    dataset = DatasetFolder.open(data)
    if not (data / "masks" / split).is_dir():
        raise UsageError(f"{data} has no masks/{split}: {NEEDS}")
    if TRAIN not in dataset.splits() or len(dataset.image_paths(TRAIN)) < FEWEST_TRAINING:
        raise UsageError(f"{data} has too few images in images/{TRAIN}: {NEEDS}")


def trusted(
    proto: ModelProto, spec: ModelSpec, dataset: DatasetFolder, split: str
) -> tuple[ModelProto, ModelSpec, str]:
    """A copy of a float model with both outputs, its spec, which says what they mean, and the map of its features.

    The temperature is fitted on the first half of `split`, in the order of its frames; the features are those of the
    training split. Both floors leave STRANGE of the frames of that half below, and of the training split, of which the
    features are held out in turn. The second half judges.

    Raises UsageError for fewer than two labelled frames, ModelFileError for a network without scores, DatasetError for
    a damaged split.
    """
    model = FloatModel.of(proto)
    first, second = halves(dataset, spec, split)
    training = spread(dataset.image_paths(TRAIN), FRAMES)
    found = feature_map(model, spec.input_size)
    observer = ShownNetwork(model, spec, found)
    with progress() as bar:
        task = bar.add_task("fitting confidence", total=2 * (len(training) + len(first) + len(second)), note="")

        def shown(frames: Sequence[Sample] | Sequence[Path]) -> Iterator[_Frame]:
            for frame in frames:
                yield (read_frame(frame, spec), None) if isinstance(frame, Path) else (frame.frame, frame.mask)
                bar.advance(task)

        labelled = observer.observed(shown(first))
        if not len(labelled.labels):
            raise UsageError(f"no pixel in the first half of the split {split} has a label: {NEEDS}")
        temperature = best_temperature(labelled.logits, labelled.labels, observer.scores.threshold)
        seen = observer.observed(shown(training))
        familiarity, held_out = fitted(found, seen.features, seen.largest, seen.frames)

        def judged(temperature: float, frames: Sequence[Sample] | Sequence[Path]) -> JudgedFrames:
            return _judged(model, spec, temperature, familiarity, shown(frames))

        of_training, of_first = judged(temperature, training), judged(temperature, first)
        lowest = _floor(of_training.confidence, of_first.confidence)
        strangest = _floor(held_out, of_first.familiarity)
        uncalibrated = judged(1.0, second).error
        trust = judged(temperature, second).judgement(temperature, lowest, strangest, uncalibrated)
    made = with_trust(model, spec, temperature, familiarity)
    spec = replace(spec, trust=trust)
    set_spec(made, spec)
    return made, spec, found


def halves(dataset: DatasetFolder, spec: ModelSpec, split: str) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The frames of a labelled split in their order: what is fitted on, and what is judged on.

    Raises UsageError for fewer than two, DatasetError for a damaged split.
    """
    samples = load_split(replace(dataset, pixels=spec.pixels), split)
    if len(samples) < 2:
        raise UsageError(f"{dataset.path} has one labelled frame in {split}: {NEEDS}")
    count = min(FRAMES, len(samples))
    chosen = [index * len(samples) // count for index in range(count)]
    parts = chosen[: count // 2], chosen[count // 2 :]
    first, second = ([samples[index] for index in part] for part in parts)
    return first, second


def _judged(
    model: FloatModel, spec: ModelSpec, temperature: float, familiarity: Familiarity, frames: Iterator[_Frame]
) -> JudgedFrames:
    made = with_trust(model, spec, temperature, familiarity)
    set_spec(made, spec)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trusted.onnx"
        onnx.save(made, path)
        return judged_frames(path, frames)


def _floor(*sets: NDArray[np.float64]) -> float:
    """Below which STRANGE of the frames of every set lie at most."""
    return float(min(np.quantile(values, STRANGE, method="lower") for values in sets))
