"""Notes about model files that run slowly on this machine, because they were made for another kind."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgeunet.board.gpu import find_gpu
from edgeunet.board.machine import processor
from edgeunet.errors import GpuError
from edgeunet.spec import ModelSpec
from edgeunet.utils import console

_FOR_CPUS = "`edgeunet export int8 FP32.onnx --data DATASET --target openvino -o INT8.onnx` makes one for the CPU"


def advise(path: Path, spec: ModelSpec) -> None:
    """Print a note, once for each file, where a .onnx file that was made for GPUs is opened on a CPU."""
    if spec.execution is not None and spec.execution.processor == processor():
        return  # it was measured to be the fastest here
    if spec.provenance.target == "tensorrt":
        note(
            f"{path} was made for TensorRT and is slow on a CPU: {_FOR_CPUS}, and `edgeunet export engine` makes one "
            f"for a GPU"
        )
    elif spec.provenance.precision == "fp16":
        note(f"{path} is fp16, which is slow on a CPU: run the fp32 file that it was made from")


def advise_without_gpu(path: Path, spec: ModelSpec) -> None:
    """Print a note where a file for TensorRT was made on a machine without an NVIDIA GPU."""
    if spec.provenance.target == "tensorrt":
        try:
            find_gpu()
        except GpuError:
            note(f"{path} is for TensorRT; this machine has no NVIDIA GPU, and it is slow on a CPU: {_FOR_CPUS}")


@cache
def note(text: str) -> None:
    """Print a note, each text once."""
    console.stderr().print(f"note: {text}")
