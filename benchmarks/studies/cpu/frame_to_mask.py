"""`python -m benchmarks.studies.cpu.frame_to_mask -o FILE`: how fast a CPU is without a GPU, from the camera's frame to
the mask.

All arms take turns in every round, so that a busy moment of the machine affects all of them; a ratio is the median over
the rounds. Weights are random: they do not change the speed. Nothing is drawn, encoded or shown.

tutorial: the loop as tutorials write it: read, normalise in numpy, ONNX Runtime fp32, argmax in numpy.
torch: read, fit, the network in PyTorch, eager and in fp32, argmax.
camera: edgeunet's loop with the INT8 file made for CPUs, on the fastest backend that is installed.
memory: the same loop on the clip's frames in memory, so that nothing is decoded.
bare: the same session alone, on frames of its own size that are there already.
onnxruntime fp32, onnxruntime int8: sessions of the larger network on ONNX Runtime, one frame after another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import typer

from benchmarks.studies.camera.instant import Prepared
from benchmarks.studies.camera.plain_loop import PlainLoop
from benchmarks.studies.study import Goal, Output, Rounds, Study, judge, rounds_of, run
from edgeunet import samples
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import int8_instructions
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.source import Source
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.imaging.letterbox import UInt8
from edgeunet.network.torch_segmenter import TorchSegmenter
from edgeunet.network.unet import UNet, preset
from edgeunet.quantisation.target import CPU
from edgeunet.runtime import Session, open_session
from edgeunet.spec import ModelSpec
from edgeunet.utils import console
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import set_spec
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.int8.candidate import Candidate

STUDY = Study(__doc__ or "", "edgeunet.cpu/1")
SIZE = (256, 320)
ALONE = 100  # frames of an arm that decodes none
SLOW = 30  # frames of the slowest arms
GOALS = {
    "camera / tutorial": Goal(3.3),
    "camera / torch": Goal(4.2),
    "memory / bare": Goal(0.95),
    "onnxruntime int8 / onnxruntime fp32": Goal(2.5),
}


def write_models(name: str, folder: Path) -> tuple[UNet, ModelSpec, Path, Path]:
    """An untrained network of the preset `name`, its float32 file and its INT8 file for CPUs."""
    torch.manual_seed(0)
    spec = ModelSpec(DatasetFolder.open(samples.DATASET).classes, SIZE)
    net = UNet(preset(name, spec.logits)).eval()
    model = model_from_network(net, spec, dynamic_batch=False, logits=False)
    options, frames = CalibrationOptions(samples.DATASET, images=3), DatasetFolder.open(samples.DATASET)
    float_model = FloatModel.of(model)
    ranges = calibrated(float_model, spec, options.chosen(frames.image_paths("train"), spec), options)
    int8 = Candidate.of(float_model, ranges, CPU).int8
    set_spec(int8, spec.with_provenance(precision="int8", target=CPU.name))
    paths = folder / f"{name}.onnx", folder / f"{name}.int8.onnx"
    for proto, path in zip((model, int8), paths, strict=True):
        onnx.save(proto, path)
    return net, spec, *paths


def loop_fps(session: Session, source: Source) -> float:
    """Frames per second of the camera loop, from the first frame to the last mask."""
    loop = Loop(session, {"clip": source}, options=LoopOptions(draw=False))
    loop.start()
    return loop.finish()["clip"].fps


def session_fps(session: Session, frames: list[UInt8], count: int) -> float:
    """Frames per second of a session that always has as many frames in flight as it takes."""
    begin = time.perf_counter()
    for index in range(count):
        if index >= session.capacity:
            session.result()
        session.submit(frames[index % len(frames)])
    for _ in range(min(count, session.capacity)):
        session.result()
    return count / (time.perf_counter() - begin)


def torch_fps(segmenter: TorchSegmenter, clip: Path) -> float:
    """Frames per second of reading and segmenting the clip's first frames."""
    with open_source(str(clip)) as source:
        begin = time.perf_counter()
        for _ in range(SLOW):
            if (frame := source.read()) is not None:
                segmenter.segment(frame.pixels)
        return SLOW / (time.perf_counter() - begin)


def measure(small: str, large: str, rounds: int) -> dict[str, Any]:
    """Frames per second of every arm in every round, and the other content of the result file."""
    clip = samples.CLIP
    with TemporaryDirectory() as folder, ExitStack() as stack:
        net, spec, fp32, int8 = write_models(small, Path(folder))
        _, _, large_fp32, large_int8 = write_models(large, Path(folder))
        best = stack.enter_context(open_session(int8, in_flight=Address.parse(str(clip)).in_flight))
        ort = [stack.enter_context(open_session(p, backend="onnxruntime")) for p in (large_fp32, large_int8)]
        tutorial, segmenter = PlainLoop(fp32), TorchSegmenter(net, spec)
        decoded = _decoded(clip)
        fitted = [np.zeros((*SIZE, 3), np.uint8)]
        arms: dict[str, Callable[[], float]] = {
            "tutorial": lambda: tutorial.run(clip),
            "torch": lambda: torch_fps(segmenter, clip),
            "camera": lambda: loop_fps(best, open_source(str(clip))),
            "memory": lambda: loop_fps(best, Prepared(decoded, len(decoded))),
            "bare": lambda: session_fps(best, fitted, ALONE),
            "onnxruntime fp32": lambda: session_fps(ort[0], fitted, SLOW),
            "onnxruntime int8": lambda: session_fps(ort[1], fitted, SLOW),
        }
        turns = []
        for index in rounds_of(rounds):
            # The first may find the machine cooler, so they take turns at that too.
            order = list(arms) if index % 2 else list(arms)[::-1]
            turns.append({name: arms[name]() for name in order})
        machine = fingerprint(best.describe())
    return {
        "network": small,
        "larger_network": large,
        "input_size": list(SIZE),
        "machine": machine,
        "int8_instructions": int8_instructions(),
        "median_fps": {name: median(turn[name] for turn in turns) for name in arms},
        "median_ratio": {name: _ratio(turns, name) for name in GOALS},
        "goals": {name: str(goal) for name, goal in GOALS.items()},
        "rounds": turns,
    }


def _decoded(clip: Path) -> list[UInt8]:
    frames: list[UInt8] = []
    with open_source(str(clip)) as source:
        while len(frames) < ALONE and (frame := source.read()) is not None:
            frames.append(frame.pixels)
    return frames


def _ratio(turns: list[dict[str, float]], name: str) -> float:
    a, b = name.split(" / ")
    return median(turn[a] / turn[b] for turn in turns)


def main(
    output: Output,
    model: Annotated[str, typer.Option(help="Preset behind the camera.")] = "small",
    large: Annotated[str, typer.Option(help="Preset on ONNX Runtime, fp32 against INT8.")] = "base",
    rounds: Rounds = 5,
    force: Force = False,
) -> None:
    """Compare the camera's best CPU path with usual loops, in frames per second; exit code 1 if a goal is missed."""
    result = STUDY.keep(output, lambda: measure(model, large, rounds), force=force)
    console.table("median frames/s", ("arm", "frames/s"), [(n, f"{v:.1f}") for n, v in result["median_fps"].items()])
    judge(result["median_ratio"], GOALS)


if __name__ == "__main__":
    run(main)
