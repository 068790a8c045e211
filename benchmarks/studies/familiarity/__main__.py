"""Which frames familiarity tells from those of the training, against energy and maximum logit, and what it costs.

    python -m benchmarks.studies.familiarity MODEL DATASET --int8 INT8 --unlike NAME=FOLDER -o FILE

MODEL has logits, confidence and familiarity (`edgeunet export onnx --logits --confidence`), and was trained on the
split train of DATASET. Ordinary frames are the second half of the split val, from which nothing was fitted, and the
training frames, each with the features held out of the fit together with its neighbours; the network has seen these.
The others are every fourth frame of val under the conditions of corruptions.py in five severities, and the images of
the folders given as --unlike. Intervals are bootstraps over frames as if each were on its own; neighbours in a drive
are not, so they are too narrow. `found` is the share below a floor that leaves 1 % of the ordinary frames below, set
as `--confidence` sets it, on the first half of val and on the training frames. `another_drive`: the features are
fitted on the training frames of the other drives alone (by the first six letters of the names), and the share of this
drive's frames below the floor is that of false alarms on an ordinary drive of another day; the network has seen it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.studies.familiarity.corruptions import CONDITIONS, SEVERITIES, corrupted
from benchmarks.studies.familiarity.frame_scores import NAMES, Scored, Scores, ScoringModel, auroc, interval
from benchmarks.studies.familiarity.output_cost import costs
from benchmarks.studies.study import OptionalOutput, Rounds, Study, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.imaging.images import images_in, read_image
from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.utils.console import progress, table
from edgeunet.utils.files import sha256
from edgeunet_export.trust.fitting import STRANGE, Float64, fitted
from edgeunet_export.trust.making import halves

STUDY = Study(__doc__ or "", "edgeunet.study.familiarity/1")
EVERY = 4  # frames of val that are corrupted: neighbours look the same
DRIVE = 6  # letters of a frame's name that are the same in its drive


def main(
    model: Annotated[Path, typer.Argument(help="Model file with logits and confidence.")],
    dataset: Annotated[Path, typer.Argument(help="The dataset of its training.")],
    int8: Annotated[Path, typer.Option(help="The same in INT8 for a CPU, for the cost.")],
    unlike: Annotated[
        list[str], typer.Option(metavar="NAME=FOLDER", help="Images that are not like it; may be repeated.")
    ],
    rounds: Rounds = 100,
    output: OptionalOutput = None,
    force: Force = False,
) -> None:
    """AUROC of familiarity and of two baselines for each condition, and what both outputs cost."""
    folders = {name: Path(folder) for name, _, folder in (entry.partition("=") for entry in unlike)}
    inputs = [model, dataset, int8, *folders.values()]
    found = STUDY.keep(output, lambda: measured(model, dataset, int8, folders, rounds), force=force, inputs=inputs)
    rows = [
        (name, *(f"{row[score]['auroc']:.3f}" for score in NAMES), *(f"{row[score]['found']:.0%}" for score in NAMES))
        for name, row in found["conditions"].items()
    ]
    table("AUROC, and share found", ("frames", *NAMES, *NAMES), rows)
    table("cost", ("file", "ratio"), [(name, f"{cost['ratio']:.3f}") for name, cost in found["cost"].items()])


def measured(model: Path, dataset: Path, int8: Path, unlike: Mapping[str, Path], rounds: int) -> dict[str, Any]:
    """All figures. Raises what reading the files raises."""
    scoring, folder = ScoringModel(model), DatasetFolder.open(dataset)
    first, second = halves(folder, scoring.spec, "val")
    training = folder.image_paths("train")
    usual: dict[str, _Frames] = {"train": _plain(training), "first": _labelled(first), "second": _labelled(second)}
    others = {
        f"{name} {severity}": _under(name, severity, [*first, *second][::EVERY])
        for name in CONDITIONS
        for severity in SEVERITIES
    } | {name: _plain(images_in(path)) for name, path in unlike.items()}
    with progress() as bar:
        task = bar.add_task("scoring frames", total=len(usual) + len(others), note="")

        def scored(sets: Mapping[str, _Frames]) -> Iterator[tuple[str, Scored]]:
            for name, frames in sets.items():
                yield name, scoring.scored(frames)
                bar.advance(task)

        ordinary, conditions = dict(scored(usual)), dict(scored(others))
    names = [path.stem[:DRIVE] for path in training]
    train, judged = ordinary["train"], ordinary["second"]
    train.scores["familiarity"] = _held_out(scoring, train)
    kept = ordinary["first"].scores, train.scores
    floors = {name: float(min(np.quantile(s[name], STRANGE, method="lower") for s in kept)) for name in NAMES}
    pooled = {name: np.concatenate([judged.scores[name], train.scores[name]]) for name in NAMES}
    return {
        "environment": fingerprint({}),
        "model_sha256": sha256(model),
        "trust": {read_spec(file).provenance.precision: trust_of(file) for file in (model, int8)},
        "ordinary": {"miou": judged.miou, "val": len(second), "train": len(training)},
        "false_alarms": _shares(judged.scores, floors),
        "conditions": {name: _condition(pooled, of_frames, floors) for name, of_frames in conditions.items()},
        "another_drive": {drive: _another_drive(scoring, train, names, drive) for drive in sorted(set(names))},
        "cost": costs([model, int8], second[0].frame, rounds),
    }


def trust_of(file: Path) -> dict[str, Any]:
    """What a file says that its confidence and familiarity mean; nothing for one without them."""
    trust = read_spec(file).trust
    return asdict(trust) if trust else {}


_Frames = Iterator[tuple[UInt8, UInt8 | None]]


def _labelled(samples: Sequence[Sample]) -> _Frames:
    return ((np.asarray(sample.frame, np.uint8), sample.mask) for sample in samples)


def _plain(paths: Sequence[Path]) -> _Frames:
    return ((np.asarray(read_image(path), np.uint8), None) for path in paths)


def _under(name: str, severity: int, samples: Sequence[Sample]) -> _Frames:
    """Under a condition, each frame with a seed of its own; made when they are asked for."""
    return ((corrupted(frame, name, severity, seed), mask) for seed, (frame, mask) in enumerate(_labelled(samples)))


def _condition(ordinary: Scores, of_frames: Scored, floors: Mapping[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {"frames": len(of_frames.features)}
    if not np.isnan(of_frames.miou):
        found["miou"] = of_frames.miou
    for name, share in _shares(of_frames.scores, floors).items():
        sets = ordinary[name], of_frames.scores[name]
        found[name] = {"auroc": auroc(*sets), "interval": interval(*sets), "found": share}
    return found


def _shares(scores: Scores, floors: Mapping[str, float]) -> dict[str, float]:
    return {name: float(np.mean(scores[name] < floors[name])) for name in NAMES}


def _held_out(scoring: ScoringModel, train: Scored) -> Float64:
    """The familiarity of the training frames, each held out of the fit."""
    numbers = np.arange(len(train.features))
    return fitted(scoring.feature_map, train.features, train.scores["maximum logit"], numbers)[1]


def _another_drive(scoring: ScoringModel, train: Scored, names: Sequence[str], drive: str) -> float:
    """The share of a drive's frames below the floor of a fit to the other drives."""
    others = np.array([name != drive for name in names])
    if not others.any():
        return float("nan")
    features, largest = train.features, train.scores["maximum logit"]
    found, held_out = fitted(scoring.feature_map, features[others], largest[others], np.arange(int(others.sum())))
    distance = np.square((features[~others] - found.mean) * found.scale).sum(1)
    score = np.minimum(found.near - distance, found.certain[0] * largest[~others] + found.certain[1])
    return float(np.mean(score < np.quantile(held_out, STRANGE, method="lower")))


if __name__ == "__main__":
    run(main)
