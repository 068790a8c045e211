"""Reading a scores file: the accuracy that `edgeunet evaluate --json` wrote, to show next to a latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeunet.errors import RecordError
from edgeunet.utils.json_fields import Share, Whole, read_json

SCHEMA = "edgeunet.scores/2"
OLDER = "edgeunet.scores/1"  # without boundary F1
_REMEDY = "make it with `edgeunet evaluate MODEL DATA -o FILE`"


@dataclass(frozen=True)
class SavedScores:
    """Accuracy of one model file on one split."""

    model: str
    model_sha256: str
    precision: str
    dataset: str
    dataset_sha256: str
    split: str
    frames: Whole
    miou: Share
    accuracy: Share
    iou: Mapping[str, Share | None]  # by class; None for one that does not occur
    mean_boundary_f1: Share | None = None  # None in older files, and where no label has a boundary


def load_scores(path: str | Path) -> SavedScores:
    """Read a scores file; raises RecordError if it is missing, damaged or of another version."""
    return read_json(path, SavedScores, error=RecordError, what="a scores file", remedy=_REMEDY, schema=(SCHEMA, OLDER))
