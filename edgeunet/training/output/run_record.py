"""run.json: the settings of a run, its machine, how long it took, and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
import torch

from edgeunet.board.fingerprint import fingerprint
from edgeunet.network.unet import preset_name
from edgeunet.training.processes import distributed
from edgeunet.training.progress import Row
from edgeunet.training.training_job import TrainingJob
from edgeunet.utils.console import command_line
from edgeunet.version import __version__

SCHEMA = "edgeunet.run/1"


def run_record(
    job: TrainingJob, *, precision: str, parameters: int, seconds: float, step: int, rows: Sequence[Row], finished: bool
) -> dict[str, Any]:
    """The value of run.json after `step` steps and `seconds` seconds, all starts of the run together.

    rows: the evaluations so far, as in log.csv. precision: the one that "auto" became.
    """
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "schema": SCHEMA,
        "command": command_line(),
        "finished": finished,
        "model": preset_name(job.config),
        "network": asdict(job.config),
        "parameters": parameters,
        "parent_sha256": job.spec.provenance.parent_sha256,
        "pretrained_sha256": job.spec.provenance.pretrained_sha256,
        "classes": job.spec.names,
        "size": job.spec.input_size,
        "tiles": job.spec.tiles,
        "levels": job.spec.levels,
        "fit": job.spec.fit,
        "recipe": asdict(job.recipe),
        "seed": job.recipe.seed,
        "time_budget_s": job.time_budget_s,
        "precision": precision,
        "compiled": job.compiled,
        "processes": distributed.size(),
        "data": {
            "trained_on": job.splits,
            "train": {"frames": len(job.train), "sha256": job.spec.provenance.dataset_sha256},
            "val": {"frames": len(job.val), "sha256": job.val.sha256} if job.val else None,
        },
        "versions": {
            "edgeunet": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "machine": fingerprint({"threads": str(torch.get_num_threads()), "device": device}),
        "seconds": round(seconds, 1),
        "steps": step,
        "best": _scores(_best(rows), job.spec.names) if rows and job.val else None,
        "curve": [{name: _json(row[name]) for name in ("step", "loss", "miou", "accuracy")} for row in rows],
    }


def _scores(row: Mapping[str, float], names: Sequence[str]) -> dict[str, Any]:
    return {
        "step": row["step"],
        "miou": _json(row["miou"]),
        "accuracy": _json(row["accuracy"]),
        "iou": {name: _json(row[f"iou_{name}"]) for name in names},
    }


def _best(rows: Sequence[Row]) -> Row:
    """The row of the network in best.pt: of the largest mIoU, or the last one where there is no mIoU."""
    scored = [row for row in rows if not np.isnan(row["miou"])]
    return max(scored, key=lambda row: row["miou"]) if scored else rows[-1]


def _json(value: float) -> float | None:
    return None if np.isnan(value) else value  # NaN is not JSON
