"""`python -m benchmarks.studies.cpu.roofline -o FILE`: how near the networks come to what this CPU can compute at all.

The peaks are measured, not read from a data sheet: of operations, on eight 3×3 convolutions of 256 channels whose
planes stay in the cache, which is what OpenVINO is best at, in each precision; of bandwidth, on copying an array much
larger than the caches, bytes read and written. One thread. All arms take turns in every round; a figure is the best of
the rounds, since other programs can only make it smaller.

A network's operations are those of its convolutions, and its bytes their inputs, outputs and weights, each once; its
time is that of a whole call of the session on a frame of the network's size, to the mask. roof: what the two peaks
allow (Williams, Waterman and Patterson 2009), in billions of operations per second; share: how much of it the network
reaches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from benchmarks.studies.cpu.frame_to_mask import SIZE, write_models
from benchmarks.studies.study import Output, Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import int8_instructions
from edgeunet.cli.common_options import Force
from edgeunet.network.complexity import complexity
from edgeunet.network.unet import preset
from edgeunet.runtime import open_session
from edgeunet.runtime.cpu.openvino_session import core
from edgeunet.runtime.session import Session
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.roofline/1")
NETWORKS = ("nano", "small")
BYTES = {"fp32": 4, "int8": 1}  # of a number, by precision
CHANNELS, SIDE, DEPTH = 256, 32, 8  # of the convolutions whose speed is the peak
PEAK_OPERATIONS = 2 * DEPTH * (CHANNELS * SIDE * 3) ** 2
COPIED = 1 << 28  # bytes
CALLS = 20  # of a network in a round


def convolutions(precision: str) -> bytes:
    """An ONNX file of the convolutions: `frame` float32 [1, CHANNELS, SIDE, SIDE] in, a tensor of the same shape out.

    int8: with Q/DQ pairs, uint8 activations and int8 weights, as in files made for CPUs.
    """
    rng = np.random.default_rng(0)
    zeros = {"unsigned": np.uint8(0), "signed": np.int8(0)}
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in zeros.items()]
    stored.append(numpy_helper.from_array(np.asarray(np.float32(0.01)), "scale"))
    nodes, tensor = [], "frame"
    for index in range(DEPTH):
        weights = rng.integers(-90, 90, (CHANNELS, CHANNELS, 3, 3), np.int8)
        name = f"weights{index}"
        if precision == "int8":
            nodes.append(helper.make_node("QuantizeLinear", [tensor, "scale", "unsigned"], [f"q{index}"]))
            nodes.append(helper.make_node("DequantizeLinear", [f"q{index}", "scale", "unsigned"], [f"dq{index}"]))
            nodes.append(helper.make_node("DequantizeLinear", [f"stored{index}", "scale", "signed"], [name]))
            stored.append(numpy_helper.from_array(weights, f"stored{index}"))
            tensor = f"dq{index}"
        else:
            stored.append(numpy_helper.from_array(weights.astype(np.float32) / 1e4, name))
        nodes.append(helper.make_node("Conv", [tensor, name], [f"conv{index}"], pads=[1, 1, 1, 1]))
        tensor = f"relu{index}"
        nodes.append(helper.make_node("Relu", [f"conv{index}"], [tensor]))
    shape = [1, CHANNELS, SIDE, SIDE]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("frame", tensor)]
    graph = helper.make_graph(nodes, "convolutions", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def compiled(precision: str) -> Any:
    """The convolutions as OpenVINO runs them, in one thread."""
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return core().compile_model(core().read_model(convolutions(precision)), "CPU", settings)


def peak_call(precision: str) -> Callable[[], object]:
    """What runs the convolutions once."""
    request = compiled(precision).create_infer_request()
    request.get_input_tensor().data[:] = np.random.default_rng(1).random((1, CHANNELS, SIDE, SIDE), np.float32)
    return lambda: request.infer()


def numbers_of(path: Path) -> int:
    """Numbers that the convolutions of a float32 file read and write, each tensor once for each of them."""
    graph = shape_inference.infer_shapes(onnx.load(path)).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
    convolutions = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return sum(prod(shapes[name]) for node in convolutions for name in (*node.input, *node.output))


def seconds(call: Callable[[], object], calls: int) -> float:
    """Of the fastest of several calls."""
    fastest = float("inf")
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - begin)
    return fastest


def measure(rounds: int) -> dict[str, Any]:
    """The content of the result file."""
    source = np.ones(COPIED, np.uint8)
    target = np.empty_like(source)
    arms: dict[str, tuple[Callable[[], object], int]] = {
        **{f"peak {precision}": (peak_call(precision), 2) for precision in BYTES},
        "copy": (lambda: np.copyto(target, source), 2),
    }
    operations, numbers = {}, {}
    frame = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for network in NETWORKS:
            _, spec, *files = write_models(network, Path(folder))
            operations[network] = complexity(preset(network, spec.logits), SIZE).flops
            numbers[network] = numbers_of(files[0])
            for precision, file in zip(BYTES, files, strict=True):
                session = stack.enter_context(open_session(file, threads=1, backend="openvino"))
                arms[f"{network} {precision}"] = _runs(session, frame), CALLS
        for call, _ in arms.values():
            call()  # memory is allocated
        turns = [{name: seconds(call, calls) for name, (call, calls) in arms.items()} for _ in rounds_of(rounds)]
        machine = fingerprint(session.describe())
    best = {name: min(turn[name] for turn in turns) for name in arms}
    peaks = {precision: PEAK_OPERATIONS / best[f"peak {precision}"] / 1e9 for precision in BYTES}
    bandwidth = 2 * COPIED / best["copy"] / 1e9
    found = {}
    for network in NETWORKS:
        for precision, size in BYTES.items():
            reached = operations[network] / best[f"{network} {precision}"] / 1e9
            intensity = operations[network] / (numbers[network] * size)
            roof = min(peaks[precision], intensity * bandwidth)
            found[f"{network} {precision}"] = {
                "ms": best[f"{network} {precision}"] * 1e3,
                "reached": reached,
                "intensity": intensity,
                "roof": roof,
                "share": reached / roof,
            }
    return {
        "machine": machine,
        "int8_instructions": int8_instructions(),
        "input_size": list(SIZE),
        "peak_operations": peaks,
        "peak_bandwidth": bandwidth,
        "networks": found,
        "rounds_s": turns,
    }


def _runs(session: Session, frame: np.ndarray[Any, Any]) -> Callable[[], object]:
    return lambda: session.run(frame)


def main(output: Output, rounds: Rounds = 10, force: Force = False) -> None:
    """Measure the CPU's peaks, and how much of them the networks reach."""
    result = STUDY.keep(output, lambda: measure(rounds), force=force)
    peaks = ", ".join(f"{name} {value:.0f}" for name, value in result["peak_operations"].items())
    console.stdout().print(
        f"billions of operations per second, one thread: {peaks}; {result['peak_bandwidth']:.1f} GB/s of memory"
    )
    rows = [
        (name, f"{f['ms']:.2f}", f"{f['reached']:.0f}", f"{f['roof']:.0f}", f"{f['share']:.0%}")
        for name, f in result["networks"].items()
    ]
    console.table("", ("", "ms", "reached", "roof", "share"), rows)


if __name__ == "__main__":
    run(main)
