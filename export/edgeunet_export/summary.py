"""The lines that the exports print about their results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeunet.board.machine import int8_instructions
from edgeunet.errors import MissingDependencyError
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import stderr, stdout
from edgeunet.utils.formatting import counted, percentage
from edgeunet_export.export_onnx import ExportedNetwork
from edgeunet_export.foreign.import_model import Imported
from edgeunet_export.int8.export_int8 import Quantization
from edgeunet_export.int8.repair.layers import Latency
from edgeunet_export.int8.repair.repair_report import print_accuracy, print_layers, print_steps
from edgeunet_export.trust.keeping import KeptTrust
from edgeunet_export.verify.accuracy import AccuracyBudget
from edgeunet_export.verify.mask_agreement import ComparedFrame, MaskComparison
from edgeunet_export.verify.tensors import deviations

FEW = 5  # frames
UNLABELLED = (
    "  without labels this says how often the two differ, not which of them is right: only labelled frames tell what "
    "that costs in mIoU"
)


def print_quantization(result: Quantization, budget: AccuracyBudget) -> None:
    """What is in INT8, what it does to the accuracy, and what was repaired."""
    out, repair, placement = stdout(), result.repair, result.placement
    out.print(f"  {len(placement.convolutions)} of {result.all_convolutions} convolutions in int8")
    if placement.left_float:
        unknown = ", ".join(f"{op} ({count})" for op, count in placement.left_float.items())
        out.print(f"  left in float because there is no rule for them: {unknown}")
    print_wide(result.wide)
    comparison, drop = repair.accuracy.comparison, repair.accuracy.drop
    out.print(f"  against fp32, on {comparison.frames_text}: {repair.accuracy}")
    print_accuracy(repair.accuracy)
    if drop is None:
        out.print(UNLABELLED)
    if drop is None and comparison.frames < FEW:
        out.print(f"  {comparison.frames_text} cannot tell that for others: give a few dozen photos, or a video")
    if drop and drop.interval and drop.interval[1] > budget.max_drop:
        out.print(f"  on other frames it may drop by {drop.interval[1]:.2f} points: label more frames to be sure")
    if result.trust:
        print_kept_trust(result.trust)
    if repair.repaired:
        print_steps(repair)
    print_layers(repair)


def print_trust(spec: ModelSpec, feature_map: str) -> None:
    """What confidence and familiarity mean, for a file that has them. feature_map: the tensor of the latter."""
    if spec.trust is None:
        return
    out, trust = stdout(), spec.trust
    out.print(
        f"  confidence: expected calibration error {percentage(trust.error)} %, at temperature {trust.temperature:.2f} "
        f"({percentage(trust.uncalibrated_error)} % without), on {counted(trust.judged, 'frame')} that neither was "
        "fitted on"
    )
    where = f"the logits and {feature_map}" if feature_map else "the logits alone: no tensor inside has a map's shape"
    out.print(f"  familiarity: from {where}")
    out.print(
        f"  of these frames {percentage(trust.unfamiliar)} % are called unfamiliar (below "
        f"{trust.familiarity_floor:.2f}), {percentage(trust.low)} % of low confidence (below "
        f"{trust.confidence_floor:.2f})"
    )
    if trust.judged < FEW:
        out.print("  so few frames cannot tell that for others: label a few dozen")


def print_kept_trust(kept: KeptTrust) -> None:
    """What INT8 did to confidence and familiarity."""
    out, before, after = stdout(), kept.before, kept.after
    if kept.moved is None:
        out.print(
            "  confidence and familiarity: not measured in INT8, which needs labels; the float file's figures stay"
        )
        return
    out.print(
        f"  confidence: expected calibration error {percentage(before.error)} % in fp32, {percentage(after.error)} % "
        f"in INT8, on {counted(after.judged, 'frame')}"
    )
    out.print(
        f"  familiarity: moved by {kept.moved:.2f} at most; called unfamiliar {percentage(before.unfamiliar)} % in "
        f"fp32, {percentage(after.unfamiliar)} % in INT8"
    )


def print_imported(imported: Imported) -> None:
    """What was understood of another tool's network, and how well the file agrees with it."""
    out, proof = stdout(), imported.proof
    network = imported.network
    for line in imported.found.tried:
        out.print(f"  {line}")
    out.print(f"  takes {imported.found}")
    out.print(f"  gives {network.decision}, in its output {network.output}")
    for note in imported.notes:
        out.print(f"  {note}")
    out.print(f"  agrees with {network.origin} on {proof.agreement:.3%} of the pixels of {proof.frames} frames")
    if proof.miou:
        theirs, ours = (percentage(miou) for miou in proof.miou)
        out.print(f"  mIoU of the original {theirs} %, of the model file {ours} %")
    print_trust(imported.spec, imported.feature_map)
    if proof.only:
        stderr().print(
            f"warning: {network.origin} sees {proof.only} alone in all frames, so the agreement says little: check "
            "the options of its input, and give frames of what it was trained on (--data or --frames)"
        )


def print_other_input(exported: ExportedNetwork, split: str) -> None:
    """Where a network was exported for another input than it was trained at: the score at both."""
    if exported.spec.input_text == exported.trained.input_text:
        return
    line = f"  trained at {exported.trained.input_text}"
    if exported.scores:
        here, there = (percentage(scores.miou) for scores in exported.scores)
        line += f": mIoU on {split} {there} % there, {here} % at {exported.spec.input_text}"
    else:
        line += ": `edgeunet evaluate` says what it scores at this input, or --data of a labelled dataset here"
    stdout().print(line)


def print_latency(latency: Latency) -> None:
    """What INT8 gains on this machine's CPU."""
    out = stdout()
    if not int8_instructions():
        out.print("  this CPU has no INT8 instructions (VNNI, AMX, dot product): INT8 may not be faster on it")
    low, high = latency.faster
    verdict = f"{low:.2f} to {high:.2f} times as fast"
    if high < 1:
        verdict += ": slower here; `edgeunet choose` measures which file and backend is the fastest"
    elif low <= 1:
        verdict = "too close to tell in a few calls: `edgeunet choose` measures which file and backend is the fastest"
    out.print(f"  on this CPU: fp32 {latency.float_ms:.1f} ms, int8 {latency.int8_ms:.1f} ms, {verdict}")


def print_comparison(comparison: MaskComparison, name_a: str, name_b: str) -> None:
    """How often two models agree, the frame on which they agree least, and the mIoU of each if there are labels."""
    out = stdout()
    out.print(
        f"  {name_a} and {name_b} agree on {comparison.agreement:.2%} of the pixels of "
        f"{comparison.frames_text} (worst {comparison.worst[0].name}: {comparison.worst[0].agreement:.2%})"
    )
    if comparison.scores_a and comparison.scores_b:
        miou_a, miou_b = 100 * comparison.scores_a.miou, 100 * comparison.scores_b.miou
        out.print(f"  mIoU {name_a} {miou_a:.2f}, {name_b} {miou_b:.2f}: a drop of {miou_a - miou_b:+.2f} points")
    else:
        out.print(UNLABELLED)


def print_deviation(a: Path, b: Path, frame: ComparedFrame) -> None:
    """The tensor inside two .onnx files that differs most on a frame."""
    try:
        found = deviations(a, b, frame.pixels)
    except MissingDependencyError as error:
        stdout().print(f"  tensors not compared: {error}")
        return
    if found:
        first = found[0]
        stdout().print(
            f"  of {len(found)} tensors {first.tensor} deviates most on {frame.name}: by {first.largest:.3g}, "
            f"{first.relative:.2%} of its largest value"
        )


def print_wide(names: Sequence[str]) -> None:
    """The convolutions that float16 is too small for."""
    if names:
        stay = "convolution stays" if len(names) == 1 else "convolutions stay"
        stdout().print(f"  {len(names)} {stay} in fp32: {', '.join(names)}")


def file_size(path: Path) -> str:
    """For people: "1.8 MB"."""
    return f"{path.stat().st_size / 1e6:.1f} MB"
