"""Two model files on the same frames: how often their masks agree, and the score of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import MismatchError
from edgeunet.evaluation.metrics import Confusion, Scores, agreement, require_known_classes, scores_of
from edgeunet.evaluation.seen_split import warn_of_seen
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.runtime import Result, Session, open_session
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.runtime.opening import spec_of
from edgeunet.runtime.tiled_session import tiled
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.calibration.given_images import given_images

MIN_AGREEMENT = 0.999
"""Share of pixels that must keep their class where a file differs from its source only by rounding."""
_VIDEO_FRAMES = 256


@dataclass(frozen=True)
class ComparedFrame:
    """One frame with the results of both models.

    pixels: [h, w, …] as it came.
    agreement: share of its pixels, 0 to 1, with the same class.
    """

    name: str
    pixels: Pixels
    a: Result
    b: Result
    agreement: float


@dataclass(frozen=True)
class MaskComparison:
    """Of models A and B, over all frames of a split, or of photos or a video (split ""), at each frame's own size.

    worst: the frames with the least agreement, the least first; at least one.
    scores_a, scores_b: against the labels; None where the split has none.
    confusions: of A and of B, a matrix for each frame, (frames, classes, classes) int64; None without labels.
    """

    split: str
    frames: int
    agreement: float  # share of all pixels, 0 to 1, with the same class
    worst: tuple[ComparedFrame, ...]
    scores_a: Scores | None
    scores_b: Scores | None
    specs: tuple[ModelSpec, ModelSpec]
    confusions: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @property
    def frames_text(self) -> str:
        """For people: "101 val frames"."""
        return f"{self.frames} {self.split} frame{'' if self.frames == 1 else 's'}".replace("  ", " ")


def compare_on(a: Path, b: Path, data: Path, split: str, *, worst: int) -> MaskComparison:
    """compare() on a split of a dataset, a folder of photos, or frames of a video; raises as given_images() too."""
    for model in (a, b):
        warn_of_seen(split, spec_of(model), model)
    with given_images(data, spec_of(a), a, _VIDEO_FRAMES) as given:
        return compare(a, b, given.dataset or given.photos, split if given.dataset else "", worst=worst)


def compare(
    a: Path,
    b: Path,
    frames: DatasetFolder | Sequence[Path],
    split: str = "",
    *,
    worst: int = 1,
    opened: Callable[[Path], Session] = open_session,
) -> MaskComparison:
    """Run two model files on every frame of a dataset's split, or of image files; `worst` frames are kept in memory.

    opened: makes the session of each file.
    Raises MismatchError if a model has other classes than the dataset or takes other frames than the other model,
    DatasetError for a damaged split, ModelFileError for a file that cannot be opened or returns classes that its spec
    does not have.
    """
    spec = spec_of(a)
    count, labelled, read = _opened(frames, split, spec)
    classes, origin = (frames.names, frames.path) if isinstance(frames, DatasetFolder) else (spec.names, a)
    counts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = [], []
    equal = pixels = 0.0
    kept: list[ComparedFrame] = []
    with opened(a) as session_a, opened(b) as session_b, progress() as bar:
        for path, session in ((a, session_a), (b, session_b)):
            session.spec.require_classes(classes, model=str(path), dataset=str(origin))
        task = bar.add_task(f"comparing on {split}" if split else "comparing", total=count, note="")
        if session_a.spec.pixels != session_b.spec.pixels:
            raise MismatchError(
                f"{a} takes frames of {session_a.spec.pixels}; {b} of {session_b.spec.pixels}: compare models of the "
                "same kind of frames"
            )
        for name, frame, label in read:
            results = session_a.run(frame), session_b.run(frame)
            # At the frame's own size, without the letterbox bars.
            masks = [result.letterbox.restore_mask(result.mask) for result in results]
            for path, mask in zip((a, b), masks, strict=True):
                require_known_classes(mask, len(classes), model=str(path))
            share = agreement(*masks)
            equal += share * masks[0].size
            pixels += masks[0].size
            kept = sorted([*kept, ComparedFrame(name, frame, *results, share)], key=lambda f: f.agreement)[:worst]
            if label is not None:
                for of_model, mask in zip(counts, masks, strict=True):
                    confusion = Confusion(len(classes))
                    confusion.add(label, mask)
                    of_model.append(confusion.counts)
            bar.advance(task)
    confusions = (np.array(counts[0]), np.array(counts[1])) if labelled else None
    scores = [scores_of(matrices.sum(0)) for matrices in confusions] if confusions else [None, None]
    specs = (session_a.spec, session_b.spec)
    return MaskComparison(split, count, equal / pixels, tuple(kept), scores[0], scores[1], specs, confusions)


def mask_agreement(a: Path, b: Path, images: Sequence[Path]) -> float:
    """Share of pixels, 0 to 1, with the same class in two .onnx files of one input size, in ONNX Runtime."""
    shares = []
    with tiled(OnnxRuntimeSession(a)) as session_a, tiled(OnnxRuntimeSession(b)) as session_b, progress() as bar:
        task = bar.add_task("comparing masks", total=len(images), note="")
        for _, frame in read_frames(images, session_a.spec):
            shares.append(agreement(session_a.run(frame).mask, session_b.run(frame).mask))
            bar.advance(task)
    return sum(shares) / len(shares)


def _opened(
    frames: DatasetFolder | Sequence[Path], split: str, spec: ModelSpec
) -> tuple[int, bool, Iterator[tuple[str, Pixels, UInt8 | None]]]:
    """How many frames there are, whether they have labels, and each with its name and its label."""
    if not isinstance(frames, DatasetFolder):
        return len(frames), False, _plain(frames, spec)
    if not (frames.path / "masks" / split).is_dir():
        images = frames.image_paths(split)
        return len(images), False, _plain(images, spec)
    samples = load_split(replace(frames, pixels=spec.pixels), split)
    return len(samples), True, ((sample.name, sample.frame, sample.mask) for sample in samples)


def _plain(images: Sequence[Path], spec: ModelSpec) -> Iterator[tuple[str, Pixels, UInt8 | None]]:
    return ((name, frame, None) for name, frame in read_frames(images, spec))
