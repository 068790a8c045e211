"""What goes wrong, as one page that opens without a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.data.dataset import Sample
from edgeunet.evaluation import mistakes, pictures
from edgeunet.evaluation.label_noise import Suspect, by_frame, regions_of, resized_mask
from edgeunet.evaluation.metrics import class_precision, class_recall, scores_of
from edgeunet.evaluation.score import Evaluation, LogitSegmenter, Segmenter
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.pixels import picture_of
from edgeunet.utils.files import require_writable, write_text
from edgeunet.utils.formatting import count, percentage, without_labels
from edgeunet.utils.html_page import environment
from edgeunet.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
MISTAKES = 10
WORST = 6
SUSPECTS = 8  # frames with labels that are probably wrong


@dataclass(frozen=True)
class ShownFrame:
    """A frame on the page."""

    index: int
    name: str
    wrong: float  # share of its pixels, 0 to 1
    miou: float
    mainly: mistakes.Mistake | None  # what most of its wrong pixels are; None if none is wrong
    pictures: tuple[tuple[str, pictures.Picture], ...]


@dataclass(frozen=True)
class ClassFailure:
    """The frame in which a class fails most."""

    index: int  # of the class
    frame: str
    precision: float
    recall: float
    picture: pictures.Picture


@dataclass(frozen=True)
class SuspectFrame:
    """A frame with regions whose labels are probably wrong, the largest and surest first."""

    index: int
    name: str
    suspects: tuple[Suspect, ...]
    pictures: tuple[tuple[str, pictures.Picture], ...]


class EvaluationPage:
    """One HTML file; problems with writing it are found before the evaluation."""

    def __init__(self, path: Path, *, force: bool) -> None:
        """Raises OutputError if `path` exists without `force` or cannot be written.

        Raises MissingDependencyError without Jinja2.
        """
        require_writable(path, force=force)
        self._path = path
        self._force = force
        pages = environment(TEMPLATES)
        pages.filters |= {"percentage": percentage, "percent": _percent}
        pages.filters |= {"count": count, "without_labels": without_labels}
        self._template = pages.get_template("evaluation.html.j2")

    def write(self, evaluation: Evaluation, segmenter: Segmenter) -> None:
        """Write the page. segmenter: the evaluated one; it runs again on the frames that are shown."""
        write_text(self._path, self._template.render(_contents(evaluation, segmenter)), force=self._force)


def _contents(evaluation: Evaluation, segmenter: Segmenter) -> dict[str, Any]:
    """What the template shows."""
    ranked = mistakes.ranking(evaluation)
    gap = len(evaluation.samples) // (4 * WORST)
    worst = mistakes.worst_frames(evaluation, WORST, gap)
    usual = [i for i in dict.fromkeys((ranked[len(ranked) // 2], ranked[-1])) if i not in worst]
    confused = sorted(mistakes.mistakes(evaluation.counts), key=lambda m: -m.share)
    return {
        "version": __version__,
        "values": evaluation.values,
        "spec": evaluation.spec,
        "labelled": evaluation.counts.sum(1).tolist(),
        "class_frames": (evaluation.frame_counts.sum(2) > 0).sum(0).tolist(),
        "mistakes": confused[:MISTAKES],
        "more_mistakes": len(confused) > MISTAKES,
        "gap": gap,
        "worst": [_shown(evaluation, segmenter, i) for i in worst],
        "usual": [_shown(evaluation, segmenter, i) for i in usual],
        "failures": _failures(evaluation, segmenter),
        "noise": evaluation.noise,
        "noise_share": None if evaluation.noise is None else _none_if_nan(evaluation.noise.share()),
        "suspects": list(_suspects(evaluation, segmenter)),
        "colors": pictures.COLORS,
    }


def _shown(evaluation: Evaluation, segmenter: Segmenter, index: int) -> ShownFrame:
    sample, counts = evaluation.samples[index], evaluation.frame_counts[index]
    mask, frame = segmenter.segment(sample.frame), _small(evaluation, sample)
    shown_as = (
        ("frame", pictures.of_frame(frame)),
        ("label", pictures.of_classes(sample.mask, evaluation.spec)),
        ("mask", pictures.of_classes(mask, evaluation.spec)),
        ("wrong", pictures.of_wrong(frame, sample.mask, mask)),
    )
    mainly = max(mistakes.mistakes(counts), key=lambda m: m.pixels, default=None)
    wrong, miou = float(evaluation.wrong_shares[index]), scores_of(counts).miou
    return ShownFrame(index, sample.name, wrong, miou, mainly, shown_as)


def _failures(evaluation: Evaluation, segmenter: Segmenter) -> list[ClassFailure]:
    """One for each class of which a pixel is wrong."""
    worst = ((mistakes.worst_frame_of(evaluation, index), index) for index in range(len(evaluation.spec.classes)))
    found = []
    # A frame that is the worst of several classes is read and segmented once.
    for frame, group in groupby(sorted((f, index) for f, index in worst if f is not None), key=itemgetter(0)):
        sample, counts = evaluation.samples[frame], evaluation.frame_counts[frame]
        mask, small = segmenter.segment(sample.frame), _small(evaluation, sample)
        for _, index in group:
            picture = pictures.of_class(small, sample.mask, mask, index)
            precision, recall = float(class_precision(counts)[index]), float(class_recall(counts)[index])
            found.append(ClassFailure(index, sample.name, precision, recall, picture))
    return sorted(found, key=attrgetter("index"))


def _small(evaluation: Evaluation, sample: Sample) -> UInt8:
    return pictures.reduced(picture_of(sample.frame, evaluation.spec.levels))


def _suspects(evaluation: Evaluation, segmenter: Segmenter) -> Iterator[SuspectFrame]:
    if evaluation.noise is None or not isinstance(segmenter, LogitSegmenter):
        return
    for index, found in by_frame(evaluation.noise.suspects(), SUSPECTS).items():
        sample = evaluation.samples[index]
        logits = segmenter.class_logits(sample.frame)
        regions = regions_of(resized_mask(sample.mask, logits.shape[1:]), logits)
        area = np.any([regions[suspect.number].pixels for suspect in found], axis=0).astype(np.uint8)
        outline = resized_mask(area, sample.mask.shape)
        shown_as = (
            ("frame", pictures.of_frame(_small(evaluation, sample), outline)),
            ("label", pictures.of_classes(sample.mask, evaluation.spec, outline)),
            ("mask", pictures.of_classes(segmenter.segment(sample.frame), evaluation.spec, outline)),
        )
        yield SuspectFrame(index, sample.name, tuple(found), shown_as)


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _percent(share: float | None) -> str:
    """0.6123 → "61.2 %"; a share of nothing is none."""
    text = percentage(share)
    return f"{text} %" if text[0].isdigit() else text
