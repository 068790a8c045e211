"""The accuracy that stands beside the latency: what `edgeunet evaluate --json` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeunet.checked import optional
from edgeunet.errors import RecordError
from edgeunet.evaluation import SCHEMA
from edgeunet.record import read_versioned_json

OLDER = "edgeunet.scores/1"  # without boundary F1


@dataclass(frozen=True)
class Scores:
    """Accuracy of one model file on one split."""

    model: str
    model_sha256: str
    precision: str
    dataset: str
    dataset_sha256: str
    split: str
    frames: int
    miou: float  # 0 to 1
    accuracy: float  # 0 to 1
    iou: Mapping[str, float | None]  # by class; None for one that does not occur
    mean_boundary_f1: float | None = None  # 0 to 1; None in older files, and where no label has a boundary


def load_scores(path: str | Path) -> Scores:
    """Read a scores file; raises RecordError if it is missing, damaged or of another version."""
    value = read_versioned_json(path, SCHEMA, OLDER, remedy="make it with `edgeunet evaluate MODEL DATA --json`")
    try:
        return Scores(
            model=str(value["model"]),
            model_sha256=str(value["model_sha256"]),
            precision=str(value["precision"]),
            dataset=str(value["dataset"]),
            dataset_sha256=str(value["dataset_sha256"]),
            split=str(value["split"]),
            frames=int(value["frames"]),
            miou=float(value["miou"]),
            accuracy=float(value["accuracy"]),
            iou={str(name): None if iou is None else float(iou) for name, iou in value["iou"].items()},
            mean_boundary_f1=optional(value.get("mean_boundary_f1")),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{path} is a damaged scores file ({type(error).__name__}: {error}): "
            "make it with `edgeunet evaluate MODEL DATA --json`"
        ) from error
