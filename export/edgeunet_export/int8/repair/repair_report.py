"""A repair for people: tables, a CSV file and a plot of the sensitivities."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from edgeunet.evaluation.metrics import Scores
from edgeunet.utils.console import table
from edgeunet.utils.dependencies import needed
from edgeunet.utils.folders import replacing_folder
from edgeunet.utils.formatting import without_labels
from edgeunet_export.int8.repair.layers import Layer
from edgeunet_export.int8.repair.repair import Repair, Step
from edgeunet_export.verify.accuracy import Accuracy

CSV, PLOT = "sensitivity.csv", "sensitivity.png"
_COLORS = {False: "#3b82d6", True: "#e07b2a"}  # of a bar, by whether the convolution stays in float


def print_accuracy(accuracy: Accuracy) -> None:
    """Print the IoU of each class in both models and the drop; nothing without labels."""
    comparison, drop = accuracy.comparison, accuracy.drop
    if drop is None or comparison.scores_a is None or comparison.scores_b is None:
        return
    both = comparison.scores_a, comparison.scores_b
    rows = [
        (name, *(_iou(scores, index) for scores in both), _points(lost, sign=True))
        for index, (name, lost) in enumerate(zip(comparison.specs[0].names, drop.classes, strict=True))
    ]
    miou = (_points(100 * comparison.scores_a.miou), _points(100 * comparison.scores_b.miou))
    rows.append(("mean", *miou, _points(drop.points, sign=True)))
    table("IoU, points", ("class", "FP32", "INT8", "drop"), rows)


def print_steps(repair: Repair) -> None:
    """Print each step: its deviation on calibration frames and, if it was judged, its drop on the labelled split."""
    rows = []
    for number, step in enumerate(repair.steps):
        kept = ("kept" if step.kept else "–") if number else ""  # the first is the model as calibrated
        deviation = (f"{step.deviation.error:.2g}", f"{step.deviation.agreement:.2%}")
        rows.append((step.name, *deviation, _loss(step), kept))
    table(
        f"repair ({repair.evaluations} models tried on calibration frames)",
        ("step", "logit error", "same class", "drop", ""),
        rows,
    )


def print_layers(repair: Repair) -> None:
    """Print sensitivity, decision and cost in latency of each convolution; nothing if they were not measured."""
    if repair.layers:
        rows = [
            (layer.name, f"{layer.sensitivity:.2g}", _decision(layer), f"{layer.share:.1%}", _cost(layer))
            for layer in repair.layers
        ]
        header = ("layer", "sensitivity", "decision", "multiply-adds", "float costs")
        table("convolutions, the most sensitive first; the cost of float is an estimate", header, rows)


def write_report(folder: Path, repair: Repair, *, force: bool) -> None:
    """Write the layers as CSV and as a plot (PNG) into `folder`.

    Raises OutputError if the folder exists and `force` is false, MissingDependencyError without Matplotlib.
    """
    figure = _plot(repair.layers)
    with replacing_folder(folder, force=force) as temporary:
        with open(temporary / CSV, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("layer", "sensitivity", "decision", "share_of_multiply_adds", "estimated_float_cost_ms"))
            writer.writerows(_record(layer) for layer in repair.layers)
        figure.savefig(temporary / PLOT, dpi=120)


def _loss(step: Step) -> str:
    if step.accuracy is None:
        return "–"
    drop = step.accuracy.drop
    return f"{drop.points:+.2f} points" if drop else f"{step.accuracy.comparison.agreement:.2%} agree"


def _record(layer: Layer) -> tuple[str, ...]:
    cost = "" if layer.cost_ms is None else f"{layer.cost_ms:.4f}"
    return layer.name, repr(layer.sensitivity), _decision(layer), f"{layer.share:.6f}", cost


def _decision(layer: Layer) -> str:
    return "float" if layer.floating else "int8"


def _cost(layer: Layer) -> str:
    """A share of the whole model's gain from INT8; in ms where that was measured."""
    if not layer.floating:
        return "–"
    return f"{layer.share:.1%} of INT8's gain" if layer.cost_ms is None else f"{layer.cost_ms:+.2f} ms"


def _iou(scores: Scores, index: int) -> str:
    iou = scores.iou[index]
    return without_labels(scores.stray[index]) if math.isnan(iou) else _points(100 * iou)


def _points(value: float, *, sign: bool = False) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:+.2f}" if sign else f"{value:.2f}"


def _plot(layers: tuple[Layer, ...]) -> Any:
    with needed("matplotlib"):
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    figure = Figure(figsize=(7, 1.2 + 0.22 * len(layers)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(
        [layer.name for layer in layers],
        # A bar on a logarithmic axis cannot be empty or infinite.
        [min(max(layer.sensitivity, 1e-12), 1e3) for layer in layers],
        color=[_COLORS[layer.floating] for layer in layers],
    )
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_xlabel("relative squared error of the logits, this convolution alone in INT8")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    names = {False: "INT8", True: "stays in float"}
    axes.legend(handles=[Patch(color=_COLORS[f], label=name) for f, name in names.items()], loc="lower right")
    return figure
