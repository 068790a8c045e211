"""`python -m benchmarks.studies.gpu CHECKPOINT DATA`: engines on this machine's GPU, compared with PyTorch.

Every arm gets the same frames, of the network's own size, in host memory, and returns masks in host memory. The arms
take turns, and each round gives its own ratios: so that the machine's own changes cancel.

Overhead: a whole frame by the clock against engine and copies by the GPU's events, in microseconds and as a ratio: the
launch, the fitting kernel and the waiting. Its goal is for engines of 2 ms and more, since the CPU's part alone takes
about 50 microseconds, whatever the network. A graph is replayed, or the same work enqueued call by call. ArgMax is in
the engine (TopK) or a kernel of the session. PyTorch runs in float16, eager and compiled with CUDA graphs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any
from unittest import mock

import numpy as np
import typer

from benchmarks.studies.study import Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.gpu import Gpu, Provider, find_gpu, tensorrt_module
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.latency.quantiles import summarize
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.gpu import infer_request
from edgeunet.utils import console
from edgeunet.utils.files import sha256
from edgeunet.utils.formatting import one_line
from edgeunet_bench.measure.input_frames import load_inputs
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.engine.export_engine import export_engine
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.verify.mask_agreement import compare

if TYPE_CHECKING:
    from benchmarks.studies.torch_gpu import TorchFloat16

STUDY = Study(__doc__ or "", "edgeunet.gpu/1")
RESULTS = Path(__file__).parents[1] / "results"
SHOWN = 300  # characters of a reason
CALLS, WARMUP_CALLS = 200, 50  # of each arm, in each round and before the first
GOALS = {"overhead": 1.05, "overhead_from_ms": 2.0, "fp16_agreement": 0.995, "int8_miou_loss_points": 0.5}
COPIES_AND_ENGINE = ("h2d", "infer", "d2h")  # stages; where memory is shared there are no copies
FP16, INT8, KERNEL, PLAIN = "fp16", "int8+fp16", "fp16, argmax kernel", "fp16, plain enqueue"
EAGER, COMPILED = "torch fp16 eager", "torch fp16 compiled"
RATIOS = {  # name: (slower, faster), as hoped; the time of one divided by that of the other
    "plain enqueue / graph replay": (PLAIN, FP16),
    "argmax in the engine / in a kernel": (FP16, KERNEL),
    "torch eager / fp16": (EAGER, FP16),
    "torch compiled / fp16": (COMPILED, FP16),
    "torch eager / int8+fp16": (EAGER, INT8),
    "torch compiled / int8+fp16": (COMPILED, INT8),
}

Run = Callable[[UInt8], Mapping[str, int]]
"""One frame, uint8 [H, W, 3], from host memory to a mask in host memory: the nanoseconds of its stages, where known."""


def require(provider: str) -> tuple[Gpu, Provider]:
    """The GPU and the bindings of that name; raises GpuError or MissingDependencyError for what this machine lacks."""
    bindings: Provider = EngineOptions(provider).provider  # type: ignore[arg-type]  # it refuses other names
    gpu = find_gpu()
    tensorrt_module(bindings)
    return gpu, bindings


def build(checkpoint: Path, data: Path, provider: Provider, folder: Path) -> dict[str, Path]:
    """The files of one network: "onnx fp32" and "onnx int8+fp16", and the engines by the name of their arm."""
    onnx = {name: folder / f"{name}.onnx" for name in ("fp32", "fp16", "int8", "logits", "logits-fp16")}
    for name, logits in (("fp32", False), ("logits", True)):
        export_onnx(checkpoint, onnx[name], ExportOptions(logits=logits), data=data, split="val", force=False)
    for source, name in (("fp32", "fp16"), ("logits", "logits-fp16")):
        export_fp16(onnx[source], onnx[name], Fp16Options(data), force=False)
    export_int8(onnx["fp32"], onnx["int8"], Int8Options(data, precision="int8+fp16"), force=False)
    in_graph, in_kernel = EngineOptions(provider), EngineOptions(provider, logits_only=True)
    files = {"onnx fp32": onnx["fp32"], "onnx int8+fp16": onnx["int8"]}
    for arm, name, options in ((FP16, "fp16", in_graph), (INT8, "int8", in_graph), (KERNEL, "logits-fp16", in_kernel)):
        files[arm] = folder / f"{name}.engine"
        export_engine(onnx[name], files[arm], options, if_stale=False, force=False)
    return files


def without_graph(path: Path, frame: UInt8, opened: ExitStack) -> Session:
    """A session on an engine that refuses to capture, and so enqueues each frame's work call by call."""
    refusal = GpuError("plain enqueue is measured")
    with mock.patch.multiple(infer_request, CudaGraph=mock.Mock(side_effect=refusal), PAUSE=0):
        session = opened.enter_context(open_session(path))
        for _ in range(1 + infer_request.TRIES):
            session.run(frame)
    return session


def torch_runs(checkpoint: Path) -> tuple[dict[str, Run], str]:
    """The arms on PyTorch that run here, each tried once; and why others do not."""
    import torch

    if not torch.cuda.is_available():
        return {}, f"torch {torch.__version__} sees no GPU: install one with CUDA"
    from benchmarks.studies.torch_gpu import TorchFloat16

    eager, compiled = TorchFloat16(checkpoint, compiled=False), TorchFloat16(checkpoint, compiled=True)
    frame = np.zeros((*eager.spec.input_size, 3), np.uint8)
    eager.run(frame)
    try:
        compiled.run(frame)
    except RuntimeError as error:  # no Triton, as on a Jetson, or no compiler
        return {EAGER: _run_of_torch(eager)}, f"{COMPILED}: {one_line(str(error))[:SHOWN]}"
    return {EAGER: _run_of_torch(eager), COMPILED: _run_of_torch(compiled)}, ""


def _run_of_torch(arm: TorchFloat16) -> Run:
    def run(frame: UInt8) -> Mapping[str, int]:
        arm.run(frame)
        return {}

    return run


def _run_of_session(session: Session) -> Run:
    return lambda frame: session.run(frame).times_ns


def measure(runs: Mapping[str, Run], frames: Sequence[UInt8], rounds: int) -> dict[str, Any]:
    """Whole-frame times of all arms in turn, and their ratios.

    Gives arms: quantiles over all rounds in ms, and the median of each stage; for each round the ratios, and the
    overheads of the arms that know their stages, as a ratio and in microseconds.
    """
    for arm in runs.values():
        for index in range(WARMUP_CALLS):
            arm(frames[index % len(frames)])
    whole: dict[str, list[list[float]]] = {name: [] for name in runs}
    stages: dict[str, list[Mapping[str, int]]] = {name: [] for name in runs}
    overheads: dict[str, list[float]] = {}
    overheads_us: dict[str, list[float]] = {}
    for _ in rounds_of(rounds):
        for name, arm in runs.items():
            times, of_stages = _timed(arm, frames)
            whole[name].append(times)
            stages[name] += of_stages
            if any(of_stages):
                known = median(sum(s.get(stage, 0) for stage in COPIES_AND_ENGINE) / 1e6 for s in of_stages)
                overheads.setdefault(name, []).append(median(times) / known)
                overheads_us.setdefault(name, []).append(1e3 * (median(times) - known))
    medians = {name: [median(times) for times in of_rounds] for name, of_rounds in whole.items()}
    arms = {}
    for name, of_rounds in whole.items():
        summary = summarize(np.concatenate(of_rounds))
        per_stage = {stage: median(s[stage] for s in stages[name]) / 1e6 for stage in stages[name][0]}
        quantiles = {"p50": summary.p50.value, "p90": summary.p90.value, "p99": summary.p99.value}
        arms[name] = {"frames": summary.n, "whole_ms": quantiles, "stages_ms": per_stage}
    ratios = {
        name: [a / b for a, b in zip(medians[slow], medians[fast], strict=True)]
        for name, (slow, fast) in RATIOS.items()
        if {slow, fast} <= medians.keys()
    }
    return {"arms": arms, "overheads": overheads, "overheads_us": overheads_us, "ratios": ratios}


def overhead(result: Mapping[str, Any], arm: str) -> tuple[str, str, str]:
    """Of an arm: microseconds, ratio, and whether the ratio meets the goal; empty where that cannot be said."""
    if arm not in result["overheads"]:
        return "", "", ""
    ratio, us = median(result["overheads"][arm]), median(result["overheads_us"][arm])
    engine_ms = result["arms"][arm]["whole_ms"]["p50"] - us / 1e3
    judged = engine_ms >= GOALS["overhead_from_ms"]
    return f"{us:.0f}", f"{ratio:.3f}", ("met" if ratio <= GOALS["overhead"] else "missed") if judged else ""


def _timed(run: Run, frames: Sequence[UInt8]) -> tuple[list[float], list[Mapping[str, int]]]:
    times, stages = [], []
    for index in range(CALLS):
        begin = time.perf_counter_ns()
        of_stages = run(frames[index % len(frames)])
        times.append((time.perf_counter_ns() - begin) / 1e6)
        stages.append(of_stages)
    return times, stages


def accuracy(files: Mapping[str, Path], data: DatasetFolder) -> dict[str, float | None]:
    """Of the val split, against files that run on the CPU.

    fp16_agreement: share of pixels with the class of the fp32 file. int8_miou_loss_points: against its own
    file; None without masks.
    """
    fp16 = compare(files["onnx fp32"], files[FP16], data, "val")
    int8 = compare(files["onnx int8+fp16"], files[INT8], data, "val")
    scores = int8.scores_a, int8.scores_b
    points = None if scores[0] is None or scores[1] is None else 100 * (scores[0].miou - scores[1].miou)
    return {"fp16_agreement": fp16.agreement, "int8_miou_loss_points": points}


def benchmark(checkpoint: Path, data: Path, provider: Provider, gpu: Gpu, rounds: int) -> dict[str, Any]:
    """Build, measure and compare; returns the content of the result file."""
    from_torch, lacking = torch_runs(checkpoint)  # before the builds, which take long
    with TemporaryDirectory() as folder, ExitStack() as opened:
        files = build(checkpoint, data, provider, Path(folder))
        scores = accuracy(files, DatasetFolder.open(data))
        sessions = {arm: opened.enter_context(open_session(files[arm])) for arm in (FP16, INT8, KERNEL)}
        spec = sessions[FP16].spec
        inputs = load_inputs(data)
        frames = [Letterbox.of((f.shape[0], f.shape[1]), spec).fit(f) for f in inputs.frames]
        sessions[PLAIN] = without_graph(files[FP16], frames[0], opened)
        runs = {arm: _run_of_session(session) for arm, session in sessions.items()}
        measured = measure(runs | from_torch, frames, rounds)
        about = {arm: session.describe() for arm, session in sessions.items()}
    return {
        "checkpoint_sha256": sha256(checkpoint),
        "input_size": list(spec.input_size),
        "frames": inputs.name,
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "machine": fingerprint(about[FP16]),
        "cuda_graph": {arm: facts["cuda_graph"] for arm, facts in about.items()},
        "skipped": lacking,
        "goals": GOALS,
        "accuracy": scores,
        **measured,
    }


def main(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of `edgeunet train`.")],
    data: Annotated[Path, typer.Argument(help="Dataset: train calibrates, val is measured and scored.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Result (JSON); benchmarks/results/gpu-NAME.json if not given."),
    ] = None,
    provider: Annotated[str, typer.Option(help="tensorrt or tensorrt_rtx.")] = "tensorrt",
    rounds: Rounds = 10,
    force: Force = False,
) -> None:
    """Measure engines on this machine's GPU. Without a GPU it ends with an error that names what is missing."""
    gpu, bindings = require(provider)
    name = re.sub(r"\W+", "-", gpu.name.lower())
    output = output or RESULTS / f"gpu-{name}.json"
    inputs = [checkpoint, data]
    result = STUDY.keep(output, lambda: benchmark(checkpoint, data, bindings, gpu, rounds), force=force, inputs=inputs)
    rows = []
    for arm, facts in result["arms"].items():
        times = (f"{value:.3f}" for value in facts["whole_ms"].values())
        rows.append((arm, *times, *overhead(result, arm)))
    header = ["arm", "p50", "p90", "p99", "overhead, us", "/ engine, copies", "goal"]
    console.table(f"{gpu.name}, whole frame in ms", header, rows)
    out = console.stdout()
    for ratio, of_rounds in result["ratios"].items():
        out.print(f"{ratio}: {median(of_rounds):.2f}")
    if result["skipped"]:
        out.print(f"skipped: {result['skipped']}")
    out.print(f"accuracy: {result['accuracy']}")


if __name__ == "__main__":
    run(main)
