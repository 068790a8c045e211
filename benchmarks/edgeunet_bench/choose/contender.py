"""What is tried: a model file in one precision, and the ways in which this machine can run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from edgeunet.board.gpu import find_gpu
from edgeunet.board.machine import physical_cores, processor, usable_cpus
from edgeunet.errors import CommandError, ExportError, GpuError, MissingDependencyError, ModelFileError
from edgeunet.runtime.cpu.openvino_session import has_bf16
from edgeunet.runtime.opening import ONNX_BACKENDS, spec_of
from edgeunet.spec import Execution
from edgeunet_bench.choose.model_versions import run_so

FLOAT = ("fp32", "fp16")
FAILURES = (CommandError, ExportError, GpuError, MissingDependencyError, ModelFileError)
"""What leaves one contender out. Other errors are of what the user gave, the same for all of them."""


@dataclass(frozen=True)
class Contender:
    """A file that says itself how it is run. name: for people: "int8, openvino"."""

    name: str
    path: Path

    @property
    def precision(self) -> str:
        return spec_of(self.path).provenance.precision

    @property
    def execution(self) -> Execution | None:
        """None on a GPU, where an engine leaves no choice."""
        return spec_of(self.path).execution

    @classmethod
    def of(cls, kind: str, file: Path, execution: Execution, folder: Path) -> Contender:
        """A copy of a .onnx file in `folder` that is run so. kind: of the file, "int8"."""
        name = f"{kind}, {execution}"
        path = folder / f"{name}.onnx"
        run_so(file, execution, path)
        return cls(name, path)


def has_gpu() -> bool:
    """Whether engines can be built and run here."""
    try:
        find_gpu()
    except GpuError:
        return False
    return find_spec("tensorrt") is not None


def ways(kind: str, file: Path, folder: Path) -> Iterator[Contender]:
    """A .onnx file with each backend that computes what the file says, and in bf16 where the processor has it."""
    here = processor()
    for backend in (name for name in ONNX_BACKENDS if find_spec(name) is not None):
        # OpenVINO computes symmetric int8 files in float: what made them fast elsewhere is lost.
        if backend == "openvino" and spec_of(file).provenance.target == "tensorrt":
            continue
        yield Contender.of(kind, file, Execution(here, backend), folder)
        if backend == "openvino" and has_bf16():
            yield Contender.of(kind, file, Execution(here, backend, "bf16"), folder)


def settings(best: Contender, kind: str, folder: Path) -> Iterator[Contender]:
    """The best file with other settings of its backend: fewer or more threads, or threads that may move."""
    usual = best.execution
    if usual is None:
        return
    cores, cpus = physical_cores(), len(usable_cpus())
    for threads in sorted({1, cores - 1, cpus} - {0, cores}, reverse=True):
        yield Contender.of(kind, best.path, replace(usual, threads=threads), folder)
    if usual.backend == "openvino":
        yield Contender.of(kind, best.path, replace(usual, pinned=False), folder)


@dataclass(frozen=True)
class Unbuilt:
    """A file that could not be made, or lost too much while it was. reason: its error."""

    name: str
    reason: str


def built(name: str, make: Callable[[], Path]) -> Path | Unbuilt:
    """The file that `make` makes, or why there is none."""
    try:
        return make()
    except FAILURES as error:
        return Unbuilt(name, str(error))
