"""Tiles: one after another against one batch of all, and what they find of small objects.

    python -m benchmarks.studies.tiles -o benchmarks/results/tiles.json

Networks with random weights, 256×320, run the tiles of a frame one after another and as one batch, in ONNX Runtime and
in OpenVINO, taking turns in every round. The ratios are of the time that the cores worked, which other programs on the
machine change less than the time of day. Then one network is trained for the same number of steps without and with
tiles on made frames of 768×768 pixels with noise and specks of 3×3 pixels, and scored on frames that it has not seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from benchmarks.studies.study import OptionalOutput, Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import physical_cores
from edgeunet.cli.common_options import Force
from edgeunet.evaluation.command import evaluate
from edgeunet.imaging.letterbox import UInt8
from edgeunet.network.checkpoint import save_checkpoint
from edgeunet.network.unet import UNet, preset
from edgeunet.runtime import open_session
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.cpu.openvino_session import core
from edgeunet.spec import ClassInfo, ModelSpec
from edgeunet.training.command import train
from edgeunet.training.training_options import TrainingOptions
from edgeunet.utils.console import stdout
from edgeunet_export.export_onnx import ExportOptions, export_onnx

STUDY = Study(__doc__ or "", "edgeunet.study.tiles/1")
SIZE = (256, 320)
GRIDS = ((2, 2), (3, 4))
FRAME = (768, 768)
SPECKS, SPECK = 120, 3  # of a frame, and the pixels of a side
TILES = (3, 3)  # of 288×288, which is also the input without tiles: a step costs the same
FRAMES = {"train": 12, "val": 4}
_CLASSES = tuple(ClassInfo(name, color) for name, color in (("ground", (90, 90, 90)), ("speck", (255, 200, 0))))


def _runners(file: Path, count: int) -> dict[str, Callable[[UInt8], object]]:
    """What runs uint8 [count, H, W, 3], by its name; the first of each backend one after another."""
    ort = OrtModel(str(file), origin=str(file), threads=physical_cores(), spins=False)

    def compiled(batch: int) -> Any:
        model = core().read_model(str(file))
        model.reshape({"frame": [batch, *SIZE, 3]})
        settings = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": physical_cores(), "INFERENCE_PRECISION_HINT": "f32"}
        return core().compile_model(model, "CPU", settings).create_infer_request()

    one, all_tiles = compiled(1), compiled(count)
    return {
        "onnxruntime in turn": lambda tiles: [ort.run(["mask"], {"frame": tile[None]}) for tile in tiles],
        "onnxruntime one batch": lambda tiles: ort.run(["mask"], {"frame": tiles}),
        "openvino in turn": lambda tiles: [one.infer({"frame": tile[None]}) for tile in tiles],
        "openvino one batch": lambda tiles: all_tiles.infer({"frame": tiles}),
    }


def batches(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """For each network and grid: the median time of a frame in ms, and the ratio of one batch to in turn, by work."""
    rows = []
    for name in ("nano", "small"):
        checkpoint, file = folder / f"{name}.pt", folder / f"{name}.onnx"
        save_checkpoint(checkpoint, UNet(preset(name, 1)).eval(), ModelSpec(_CLASSES, SIZE))
        export_onnx(checkpoint, file, ExportOptions(dynamic_batch=True), data=None, split="", force=False)
        for grid in GRIDS:
            tiles = np.random.default_rng(0).integers(0, 256, (grid[0] * grid[1], *SIZE, 3), np.uint8)
            runners = _runners(file, len(tiles))
            times: dict[str, list[float]] = {runner: [] for runner in runners}
            worked: dict[str, list[float]] = {runner: [] for runner in runners}
            for number in rounds_of(rounds + 1):
                for runner, work in runners.items():
                    begin, busy = time.perf_counter(), time.process_time()
                    work(tiles)
                    if number:  # the first allocates
                        worked[runner].append(1000 * (time.process_time() - busy))
                        times[runner].append(1000 * (time.perf_counter() - begin))
            ratios = {
                backend: float(np.median(np.divide(worked[f"{backend} one batch"], worked[f"{backend} in turn"])))
                for backend in ("onnxruntime", "openvino")
            }
            medians = {runner: round(float(np.median(found)), 1) for runner, found in times.items()}
            rows.append(
                {
                    "network": name,
                    "tiles": grid,
                    "frame_ms": medians,
                    "batch_over_turn": {backend: round(ratio, 2) for backend, ratio in ratios.items()},
                }
            )
            stdout().print(f"{name}, {grid[0]}x{grid[1]} tiles: one batch takes {ratios} of the work in turn")
    return rows


def write_specks(folder: Path) -> Path:
    """A dataset folder of noise with bright specks on it, and as many dark ones, which are ground."""
    for split, count in FRAMES.items():
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(count):
            rng = np.random.default_rng((len(split), number))
            frame = rng.integers(90, 150, (*FRAME, 3), np.uint8)
            mask = np.zeros(FRAME, np.uint8)
            for place in range(2 * SPECKS):
                row, column = (int(rng.integers(side - SPECK)) for side in FRAME)
                inside = np.s_[row : row + SPECK, column : column + SPECK]
                frame[inside] = 210 if place % 2 else 30
                mask[inside] = place % 2
            cv2.imwrite(str(folder / "images" / split / f"{number:02}.png"), frame)
            cv2.imwrite(str(folder / "masks" / split / f"{number:02}.png"), mask)
    classes = [{"index": i, "name": c.name, "color": c.color, "ignore": False} for i, c in enumerate(_CLASSES)]
    (folder / "classes.json").write_text(json.dumps({"classes": classes}))
    return folder


def accuracy(folder: Path, steps: int) -> list[dict[str, Any]]:
    """IoU of the specks without and with tiles, and the time of a frame in ONNX Runtime."""
    data, rows = write_specks(folder / "specks"), []
    frame = np.zeros((*FRAME, 3), np.uint8)
    for tiles in ((1, 1), TILES):
        run_folder = folder / "run{}x{}".format(*tiles)
        changes = {"seed": 0, "batch": 4}
        began = time.monotonic()
        train(data, run_folder, TrainingOptions("nano", "quick", tiles=tiles, steps=steps, changes=changes))
        seconds = time.monotonic() - began
        model = run_folder / "model.onnx"
        exported = export_onnx(run_folder / "best.pt", model, ExportOptions(), data=None, split="", force=False)
        iou = evaluate(model, data).values["iou"]["speck"]
        with open_session(model) as session:
            times = [sum(session.run(frame).times_ns.values()) / 1e6 for _ in range(10)]
        rows.append(
            {
                "input": exported.spec.input_text,
                "speck_iou": round(iou, 4),
                "training_s": round(seconds),
                "frame_ms": round(float(np.median(times)), 1),
            }
        )
        stdout().print(f"{exported.spec.input_text}: IoU of the specks {iou:.1%}, {seconds:.0f} s of training")
    return rows


def measure(rounds: int, steps: int) -> dict[str, Any]:
    """The content of the result file."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = {"batch": batches(folder, rounds), "steps": steps, "accuracy": accuracy(folder, steps)}
    return {**found, "machine": fingerprint({"threads": str(physical_cores())})}


def main(
    rounds: Rounds = 9,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 200,
    output: OptionalOutput = None,
    force: Force = False,
) -> None:
    """Compare ways of running tiles, and networks without and with them."""
    STUDY.keep(output, lambda: measure(rounds, steps), force=force)


if __name__ == "__main__":
    run(main)
