"""Accuracy on the drive that no training saw: mIoU and boundary F1 of every file, all by our code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.peer_session import PeerSession, openvino_infer
from edgeunet.evaluation.score import Segmenter, evaluate_model
from edgeunet.runtime import open_session
from edgeunet.spec import ClassInfo


def scores_of_files(
    files: ExportedFiles, frames: Path, classes: Sequence[ClassInfo], size: tuple[int, int]
) -> dict[str, dict[str, Any]]:
    """By the file's kind: "own fp32" and "own int8" are the peer's own files, "fp32" and "int8" those of our contract.

    Each INT8 has the points of mIoU that it lost against the same network in float; a file that could not be made has
    "missing", the reason.
    """
    found: dict[str, dict[str, Any]] = {}
    for kind, path in (("own fp32", files.own_fp32), ("own int8", files.own_int8)):
        if path is not None:
            found[kind] = _scores(PeerSession(openvino_infer(path), tuple(classes), size), path, frames)
    for kind, path in (("fp32", files.fp32), ("int8", files.int8)):
        if path is not None:
            with open_session(path) as session:
                found[kind] = _scores(session, path, frames)
    for kind in ("own int8", "int8"):
        reference = found.get(kind.replace("int8", "fp32"))
        if kind in found and reference:
            found[kind]["lost_points"] = round(100 * (reference["miou"] - found[kind]["miou"]), 2)
    return found | {kind: {"missing": reason} for kind, reason in files.missing.items()}


def _scores(segmenter: Segmenter, path: Path, frames: Path) -> dict[str, Any]:
    values = evaluate_model(segmenter, path, frames, "val").values
    return {name: round(values[name], 4) for name in ("miou", "mean_boundary_f1")}
