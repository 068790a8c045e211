"""`python -m tests.tensorrt_rtx.make_files FOLDER`: writes the model files that TensorRT is asked about.

Seeded, untrained networks with real statistics, and networks of other operators, through the exporters that users
call. What is asked of each file stands in FOLDER/files.json.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import onnx

from edgeunet import samples
from edgeunet.network.unet import PRESETS, UNetConfig, preset
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.spec import ModelSpec
from edgeunet.utils import console
from edgeunet.utils.files import write_json
from edgeunet_export.calibration.frames import read_frame
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.int8.export_int8 import PRECISIONS, Int8Options, export_int8
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.export.networks import save_network, spec_for
from tests.export.operators import FAMILIES, operator_model
from tests.tensorrt_rtx.wrong_files import wrong_models

SIZE = (64, 96)  # whether TensorRT takes a file does not depend on the size; small ones are quick to calibrate
ODD = (51, 67)  # pooling can't halve it, so the graph has a Pad
FRAMES = 2  # to calibrate on


@dataclass(frozen=True)
class Case:
    """One file and what is asked of it.

    refusal: "" if TensorRT must take it, else a part of its reason, in lower case.
    logits_only: the engine is to leave the mask out.
    """

    network: str
    precision: str
    refusal: str = ""
    logits_only: bool = False


@dataclass(frozen=True)
class Variant:
    """One network and the form of its files; it becomes a file of every precision."""

    name: str
    config: UNetConfig
    options: ExportOptions = field(default_factory=ExportOptions)
    size: tuple[int, int] = SIZE


def variants() -> Iterator[Variant]:
    """Every preset (the classical network is one) and a binary network, with fixed batch and with dynamic batch; and
    networks for frames of one and of four channels."""
    networks = {name: preset(name, classes=5) for name in PRESETS} | {"binary": preset("nano", classes=1)}
    for name, config in networks.items():
        yield Variant(name, config)
        yield Variant(f"{name}-dynamic-logits", config, ExportOptions(dynamic_batch=True, logits=True))
    yield Variant("nano-dynamic", networks["nano"], ExportOptions(dynamic_batch=True))
    yield Variant("nano-logits", networks["nano"], ExportOptions(logits=True))
    for name, channels in (("grey", 1), ("four", 4)):
        yield Variant(name, preset("nano", classes=5, channels=channels))
        yield Variant(
            f"{name}-dynamic-logits",
            preset("nano", classes=5, channels=channels),
            ExportOptions(dynamic_batch=True, logits=True),
        )
    yield Variant(
        "nano-confidence-dynamic-logits",
        networks["nano"],
        ExportOptions(dynamic_batch=True, logits=True, confidence=True),
    )
    for name in ("nano", "classic"):  # the last layer of the one doubles the size, and that of the other does not
        yield Variant(f"{name}-confidence", networks[name], ExportOptions(confidence=True))
    yield Variant("compact-odd-size", networks["binary"], size=ODD)
    yield Variant("odd-size", UNetConfig(classes=1, features=(8, 16), up="transpose"), size=ODD)


def write_variant(variant: Variant, folder: Path) -> Iterator[str]:
    """Write the files of one variant, NETWORK.PRECISION.onnx; gives the precisions."""
    checkpoint = folder / f"{variant.name.split('-')[0]}.pt"
    if not checkpoint.exists():
        save_network(checkpoint, variant.config, variant.size)
    float32 = folder / f"{variant.name}.fp32.onnx"
    data = samples.DATASET if variant.options.confidence else None
    export_onnx(checkpoint, float32, variant.options, data=data, split="val", force=False)
    yield "fp32"
    yield from _narrow_versions(float32, _calibration_frames(spec_for(variant.config, variant.size), folder))


def write_operators(family: str, folder: Path) -> Iterator[str]:
    """Write the files of a network of foreign operators; gives the precisions."""
    float32 = folder / f"{family}.fp32.onnx"
    onnx.save(operator_model(*FAMILIES[family], ahead=1000), float32)
    yield "fp32"
    yield from _narrow_versions(float32, _calibration_frames(read_spec(float32), folder))


def _narrow_versions(float32: Path, data: Path) -> Iterator[str]:
    """Write the files of all other precisions next to NETWORK.fp32.onnx; gives the precisions."""
    stem = float32.name.removesuffix(".fp32.onnx")
    export_fp16(float32, float32.with_name(f"{stem}.fp16.onnx"), Fp16Options(data, images=FRAMES), force=False)
    yield "fp16"
    for precision in PRECISIONS:
        # An untrained network decides by a hair: how often its masks agree says nothing about INT8.
        accepted = AccuracyBudget(min_agreement=0)
        options = Int8Options(data, method="minmax", images=FRAMES, budget=accepted, precision=precision)
        export_int8(float32, float32.with_name(f"{stem}.{precision}.onnx"), options, force=False)
        yield precision


def _calibration_frames(spec: ModelSpec, folder: Path) -> Path:
    """The sample frames, without masks, as a dataset of the model's classes and of its channels."""
    path = folder / f"frames-{len(spec.classes)}-{spec.channels}"
    if not path.exists():
        for image in sorted((samples.DATASET / "images").glob("*/*")):
            target = path / "images" / image.parent.name / f"{image.stem}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), read_frame(image, spec))
        classes = [{"index": i, "name": c.name, "color": c.color} for i, c in enumerate(spec.classes)]
        write_json(path / "classes.json", {"classes": classes}, force=False)
    return path


def main(folder: Path) -> None:
    """Write all files and the list of them."""
    folder.mkdir(parents=True)
    cases = []
    for variant in variants():
        console.stdout().print(f"writing {variant.name} in every precision")
        for precision in write_variant(variant, folder):
            cases.append(Case(variant.name, precision))
            if variant.options.logits:
                cases.append(Case(variant.name, precision, logits_only=True))
    for family in FAMILIES:
        console.stdout().print(f"writing the operators of {family} in every precision")
        cases += [Case(family, precision) for precision in write_operators(family, folder)]
    good = {precision: onnx.load(folder / f"nano.{precision}.onnx") for precision in ("fp32", "int8")}
    for wrong, model in wrong_models(good):
        case = Case(f"wrong-{wrong.name}", wrong.parent, wrong.reason)
        onnx.save(model, folder / f"{case.network}.{case.precision}.onnx")
        cases.append(case)
    write_json(folder / "files.json", [asdict(case) for case in cases], force=False)


if __name__ == "__main__":
    sys.exit(console.run(lambda: main(Path(sys.argv[1]))))
