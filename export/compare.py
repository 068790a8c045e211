"""Two model files on the same frames: how often their masks agree, and how good each is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeunet.console import progress
from edgeunet.data.folder import DatasetFolder
from edgeunet.frames import UInt8
from edgeunet.metrics import Confusion, Scores, agreement
from edgeunet.runtime import open_session
from edgeunet.runtime.session import Session
from export.frames import read_frames


@dataclass(frozen=True)
class Comparison:
    """Of models A and B, over all frames of a split, at each frame's own size.

    scores_a, scores_b: against the labels; None where the split has none.
    """

    frames: int
    agreement: float  # share of all pixels, 0 to 1, with the same class
    worst_frame: str
    worst_agreement: float
    scores_a: Scores | None
    scores_b: Scores | None


def compare(a: Path, b: Path, folder: DatasetFolder, split: str) -> Comparison:
    """Run two model files on every frame of a split.

    Raises MismatchError if a model has other classes than the dataset, DatasetError for a damaged split,
    ModelFileError for a file that can't be opened.
    """
    labelled = (folder.path / "masks" / split).is_dir()
    count = len(folder.image_paths(split))
    confusions = Confusion(len(folder.classes)), Confusion(len(folder.classes))
    equal = pixels = 0.0
    worst_frame, worst = "", 2.0
    with open_session(a) as session_a, open_session(b) as session_b, progress() as bar:
        for path, session in ((a, session_a), (b, session_b)):
            session.spec.require_classes(folder.names, model=str(path), dataset=str(folder.path))
        task = bar.add_task(f"comparing on {split}", total=count, note="")
        for name, frame, label in _frames(folder, split, labelled=labelled):
            masks = _segment(session_a, frame), _segment(session_b, frame)
            share = agreement(*masks)
            equal += share * masks[0].size
            pixels += masks[0].size
            if share < worst:
                worst_frame, worst = name, share
            if label is not None:
                for confusion, mask in zip(confusions, masks, strict=True):
                    confusion.add(label, mask)
            bar.advance(task)
    scores = [confusion.scores() if labelled else None for confusion in confusions]
    return Comparison(count, equal / pixels, worst_frame, worst, *scores)


def _frames(folder: DatasetFolder, split: str, *, labelled: bool) -> Iterator[tuple[str, UInt8, UInt8 | None]]:
    if labelled:
        for sample in folder.load(split):
            yield sample.name, sample.frame, sample.mask
    else:
        for name, frame in read_frames(folder.image_paths(split)):
            yield name, frame, None


def _segment(session: Session, frame: UInt8) -> UInt8:
    """The mask at the frame's own size, where the letterbox bars don't count."""
    result = session.run(frame)
    return result.fitting.unfit_mask(result.mask)
