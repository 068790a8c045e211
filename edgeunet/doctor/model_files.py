"""Doctor checks of model files: whether they run on this machine, and the command that makes one that does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeunet.doctor.host import Host
from edgeunet.errors import EdgeUNetError, MissingDependencyError, ModelFileError, not_found
from edgeunet.evaluation.metrics import require_known_classes
from edgeunet.imaging.pixels import blank_frame
from edgeunet.runtime.gpu.engine_file import Machine, check_engine, other_multiprocessors, rebuild
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.runtime.opening import open_session
from edgeunet.spec import ModelSpec
from edgeunet.utils.check import Check
from edgeunet.utils.model_kind import other_kind


def check_models(files: Sequence[Path], host: Host | None = None, machine: Machine | None = None) -> list[Check]:
    """One line for each .engine or .onnx file.

    machine: the one that engines are checked for, this one if not given.
    """
    host = host or Host()
    return [_engine(path, machine) if path.suffix.lower() == ".engine" else _onnx(path, host) for path in files]


def _engine(path: Path, machine: Machine | None) -> Check:
    try:
        info = check_engine(path, machine)
        slower = other_multiprocessors(info, machine)
    except EdgeUNetError as error:
        return Check.of_error("wrong", str(path), error)
    if slower:
        found = f"{_facts(info.spec)}, built {slower}: it may be slower than it could be"
        return Check("warning", str(path), found, rebuild(path, info))
    built_for = f"TensorRT {info.tensorrt_version}" + (f" on {info.gpu}" if info.gpu else "")
    return Check("ok", str(path), f"{_facts(info.spec)}, fits {built_for}")


def _onnx(path: Path, host: Host) -> Check:
    if not path.is_file():
        error = ModelFileError(f"{not_found(path, 'model file')}; `edgeunet export onnx` makes one")
        return Check.of_error("wrong", str(path), error)
    if path.suffix.lower() != ".onnx":
        other = other_kind(path, "") or ModelFileError(f"{path} is not a model file: give a .onnx or .engine file")
        return Check.of_error("wrong", str(path), other)
    try:
        spec = read_spec(path)
        # The header is not the whole model: weights may be in another file, and operators unknown.
        with open_session(path, threads=1) as session:
            mask = session.run(blank_frame(spec)).mask
        require_known_classes(mask, len(spec.classes), model=str(path))
    except MissingDependencyError as error:
        return Check.of_error("warning", str(path), error)
    except EdgeUNetError as error:
        return Check.of_error("wrong", str(path), error)
    if host.jetson and spec.provenance.target == "cpu":
        remedy = "`edgeunet export int8 FP32.onnx --data DATA --target tensorrt -o INT8.onnx` makes one for the GPU"
        return Check("warning", str(path), f"{_facts(spec)}, for CPUs: TensorRT cannot run it", remedy)
    return Check("ok", str(path), _facts(spec))


def _facts(spec: ModelSpec) -> str:
    return f"{spec.provenance.precision}, {len(spec.classes)} classes, {spec.input_text}"
