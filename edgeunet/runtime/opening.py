"""Which backend opens which file."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path

from edgeunet.board.machine import processor
from edgeunet.errors import ModelFileError, UsageError
from edgeunet.runtime.advice import advise, note
from edgeunet.runtime.model_identity import opened_from
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.runtime.session import Session
from edgeunet.runtime.tiled_session import tiled
from edgeunet.spec import Execution, ModelSpec, OnnxBackend
from edgeunet.utils.dependencies import OPENVINO_IS_FASTEST_ON
from edgeunet.utils.limits import MOST_BATCH, THREADS, require_in
from edgeunet.utils.model_kind import not_a_file, other_kind

ONNX_BACKENDS: tuple[OnnxBackend, ...] = ("onnxruntime", "openvino")


def open_session(
    path: str | Path,
    *,
    threads: int | None = None,
    in_flight: int = 1,
    batch: int = 1,
    backend: str | None = None,
) -> Session:
    """Open a .onnx or .engine file with the fastest installed backend that computes exactly what the file says.

    threads: CPU threads for one frame; by default the physical cores, shared by the frames in flight.
        A .onnx file of `edgeunet choose` says what it was measured to run fastest with, on the same processor; what
        is given here comes before that.
    in_flight: frames that submit() takes before the first result(): 1 for the least latency, 2 or 3 for the most
        frames per second.
    batch: the most frames of a list that submit() and run() take, which run as one batch; of a file of dynamic batch
        (`--dynamic-batch`), others take one frame at a time. See Session.max_batch.
    backend: of a .onnx file, "onnxruntime" or "openvino"; chosen by the file if not given.

    Raises ModelFileError if no backend runs the file, or if it is missing, damaged or without a spec;
    MissingDependencyError if the backend is not installed; UsageError for an option out of range; MismatchError for
    an engine of another machine; GpuError for a GPU that is missing, out of memory, or fails.
    """
    if backend not in (None, *ONNX_BACKENDS):
        raise UsageError(f"unknown backend {backend!r}: choose one of {', '.join(ONNX_BACKENDS)}")
    require_in("--threads", threads, 1, THREADS)
    require_in("batch", batch, 1, MOST_BATCH)
    path = Path(path)
    if not path.is_file():
        raise not_a_file(path, "model file", "edgeunet export onnx")
    session, file = opened_from(path, lambda: tiled(_open(path, threads, in_flight, batch, backend)))
    session.file = file
    if path.suffix.lower() == ".onnx":
        advise(path, session.spec)
    return session


def spec_of(path: str | Path) -> ModelSpec:
    """The spec of a .onnx or .engine file, which is not opened. Raises ModelFileError."""
    path = Path(path)
    if path.suffix.lower() != ".engine":
        return read_spec(path)
    from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path

    return EngineInfo.load(info_path(path)).spec


def _open(path: Path, threads: int | None, in_flight: int, batch: int, backend: str | None) -> Session:
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        execution = _chosen(path, backend)
        if execution is not None and in_flight == 1:  # it was measured so
            threads = threads or execution.threads
        if (backend or (execution.backend if execution else _fastest(path))) == "openvino":
            from edgeunet.runtime.cpu.openvino_session import OpenVinoSession

            return OpenVinoSession(path, threads=threads, in_flight=in_flight, batch=batch, execution=execution)
        from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession

        return OnnxRuntimeSession(path, threads=threads, in_flight=in_flight, batch=batch)
    if suffix == ".engine":
        if backend is not None or threads is not None:
            raise UsageError(f"{path} runs on the GPU: a backend and CPU threads can be chosen for .onnx files only")
        from edgeunet.runtime.gpu.tensorrt_session import TensorRTSession

        return TensorRTSession(path, in_flight=in_flight, batch=batch)
    if error := other_kind(path, ""):
        raise error
    raise ModelFileError(f"{path}: no backend runs {suffix or 'files without an ending'}; give a .onnx or .engine file")


def _chosen(path: Path, backend: str | None) -> Execution | None:
    """What `edgeunet choose` found for a file, where it holds: on the same processor, and for the backend asked for."""
    execution = read_spec(path).execution
    if execution is None or backend not in (None, execution.backend):
        return None
    here = processor()
    if execution.processor != here:
        note(f"{path} was chosen for another processor ({execution.processor}): here it runs as if nothing were chosen")
    elif find_spec(execution.backend) is None:
        note(f"{path} was chosen with {execution.backend}, which is not installed: it runs as if nothing were chosen")
    else:
        return execution
    return None


def _fastest(path: Path) -> str:
    """The backend for a .onnx file on this machine's CPU.

    Measured at 256×320 on 2 cores with AVX512-VNNI: with 8-bit files for CPUs OpenVINO takes half of ONNX Runtime's
    time (nano 5.5 and 11 ms, small 11.5 and 19); with float32 files both take the same within 10 %.
    """
    installed = [backend for backend in ONNX_BACKENDS if find_spec(backend) is not None]
    faster = platform.machine() in OPENVINO_IS_FASTEST_ON and read_spec(path).provenance.target == "cpu"
    if "openvino" in installed and (faster or "onnxruntime" not in installed):
        return "openvino"
    return "onnxruntime"
