"""Peak memory and time of INT8 calibration, for few images and for many: does memory grow with their number?

    python -m benchmarks.studies.calibration_memory -o benchmarks/results/calibration_memory.json

An untrained `small` at 480x360, on sample frames with noise. Each figure comes from a fresh process.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.studies.study import OptionalOutput, Study, run
from edgeunet.board.machine import cpu_model, physical_cores
from edgeunet.cli.common_options import Force
from edgeunet.utils.console import stdout

# Nothing heavy up here: a process starts with the peak of the one that spawned it.

STUDY = Study(__doc__ or "")
COUNTS = (40, 400)  # images
SIZE = (360, 480)  # (height, width)
METHOD = "mse"


def prepare(folder: Path) -> None:
    """Write model.onnx and the most images that are asked for to a folder."""
    import cv2
    import numpy as np
    import torch

    from edgeunet import samples
    from edgeunet.data.dataset import DatasetFolder
    from edgeunet.network.unet import UNet, preset
    from edgeunet.spec import ModelSpec
    from edgeunet_export.calibration.frames import read_frames
    from edgeunet_export.graph.model_file import write_model
    from edgeunet_export.graph.model_from_network import model_from_network

    sample = DatasetFolder.open(samples.DATASET)
    torch.manual_seed(0)
    spec = ModelSpec(sample.classes, SIZE)
    network = UNet(preset("small", spec.logits))
    write_model(model_from_network(network, spec, dynamic_batch=False, logits=False), folder / "model.onnx")
    frames = [cv2.resize(frame, SIZE[::-1]) for _, frame in read_frames(sample.image_paths("train"))]
    generator = np.random.default_rng(0)
    for index in range(max(COUNTS)):
        noise = generator.normal(0, 12, (*SIZE, 3))
        frame = np.clip(frames[index % len(frames)] + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:04}.jpg"), frame)


def calibrate(folder: Path, images: int) -> dict[str, float]:
    """Calibrate on all of the first images of the folder: peak resident memory in MiB, and seconds.

    load: processes of others that wanted to run in the minute before; they lengthen the seconds, not those of CPU.
    """
    from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
    from edgeunet_export.graph.model_file import read_fp32_model

    load = os.getloadavg()[0]
    model, spec = read_fp32_model(folder / "model.onnx")
    paths = sorted(folder.glob("*.jpg"))[:images]
    begin, cpu_begin = time.perf_counter(), time.process_time()
    used = calibrated(model, spec, paths, CalibrationOptions(folder, method=METHOD), stop=False).images
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "images": used,
        "peak_mib": round(peak_kib / 1024, 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "load": round(load, 2),
    }


def measure() -> dict[str, Any]:
    """The figures for each number of images, and how much the largest exceeds the smallest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _in_fresh_process(prepare, folder)
        runs = [_in_fresh_process(calibrate, folder, count) for count in COUNTS]
    growth = runs[-1]["peak_mib"] / runs[0]["peak_mib"] - 1
    machine = f"{cpu_model()}, {physical_cores()} cores"
    return {
        "machine": machine,
        "model": "small",
        "input_size": SIZE,
        "method": METHOD,
        "runs": runs,
        "growth": round(growth, 4),
    }


def _in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main(output: OptionalOutput = None, force: Force = False) -> None:
    """Measure the peak memory and the time of calibration."""
    result = STUDY.keep(output, measure, force=force)
    for each in result["runs"]:
        stdout().print(
            f"{each['images']:4} images: peak {each['peak_mib']:.0f} MiB, {each['seconds']:.1f} s "
            f"({each['cpu_seconds']:.1f} s of CPU, load before {each['load']:.1f})"
        )
    stdout().print(f"growth {100 * result['growth']:+.1f} %")


if __name__ == "__main__":
    run(main)
