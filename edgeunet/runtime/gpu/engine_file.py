"""The engine file and the JSON file next to it: checked against this machine before TensorRT reads them.

M.engine is what TensorRT built, and `trtexec --loadEngine` loads it too; M.engine.json says everything else.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import struct
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeunet.board.gpu import Gpu, Provider, find_gpu, tensorrt_module, version_of
from edgeunet.errors import MismatchError, ModelFileError
from edgeunet.runtime.advice import note
from edgeunet.spec import ModelSpec, made_later, unknown_field
from edgeunet.utils.files import sha256, write_json
from edgeunet.utils.json_fields import NotNegative, Whole, read_json

SCHEMA = "edgeunet.engine/1"
HEADER_BYTES = 28
REMEDY = "build it again with"
_SAME_MEMORY = 0.1  # the system's share differs between releases of JetPack; modules come with half and double
_MAGIC: dict[int, Provider] = {0x74727466: "tensorrt", 0x74727476: "tensorrt_rtx"}  # "ftrt", "vtrt"


@dataclass(frozen=True)
class EngineHeader:
    """The first bytes of an engine (TensorRT 8.6 and later): uint32 magic, uint32 0, …, version at 24 to 27."""

    provider: Provider
    version: tuple[int, int, int, int]  # major, minor, patch, build


@dataclass(frozen=True)
class Machine:
    """The facts that an engine depends on: it runs where these are the same."""

    version: tuple[int, ...]  # of TensorRT; as many numbers as its bindings give
    gpu: Gpu | None  # None: TensorRT-RTX compiles its engines for the GPU when they are loaded
    platform: str  # "linux-aarch64"

    @classmethod
    def here(cls, provider: Provider) -> Machine:
        """This machine. Raises GpuError or MissingDependencyError if something is missing."""
        gpu = None if provider == "tensorrt_rtx" else find_gpu()
        return cls(version_of(tensorrt_module(provider)), gpu, f"{sys.platform}-{platform.machine()}")


@dataclass(frozen=True)
class EngineInfo:
    """M.engine.json: the source of an engine, what built it, and the machine that it is for.

    onnx: the model file, relative to the engine's folder. options: of `edgeunet export engine`, as typed.
    flags: of TensorRT. gpu_layers: layers that should run on the DLA and cannot.
    spec: with the precision that runs, and in parent_sha256 the hash of the ONNX file.
    gpu_memory_mib, multiprocessors: of the GPU; 0 if unknown, as in files of earlier versions.
    dla_core: the one that the engine is for; None without a DLA.
    """

    provider: Provider
    tensorrt_version: str
    gpu: str
    compute_capability: str
    platform: str
    flags: tuple[str, ...]
    gpu_layers: tuple[str, ...]
    onnx: str
    options: tuple[str, ...]
    build_seconds: NotNegative
    plan_sha256: str
    spec: ModelSpec
    gpu_memory_mib: Whole = 0
    multiprocessors: Whole = 0
    dla_core: Whole | None = None

    def save(self, path: Path) -> None:
        """Write it as JSON, with the precision and the ONNX file's hash at the top too, for other tools."""
        origin = self.spec.provenance
        facts = {"schema": SCHEMA, "precision": origin.precision, "onnx_sha256": origin.parent_sha256}
        write_json(path, {**facts, **asdict(self), "spec": self.spec.to_dict()}, force=True)

    @classmethod
    def load(cls, path: Path) -> EngineInfo:
        """Read what save wrote. Raises ModelFileError if it is missing, damaged or of another version."""
        how: dict[str, Any] = {
            "error": ModelFileError,
            "what": "the description of an engine",
            "remedy": rebuild(path.with_suffix("")),
            "schema": SCHEMA,
        }
        info, value = read_json(path, cls, **how), read_json(path, dict[str, Any], **how)
        spec = ModelSpec.from_json(json.dumps(value.pop("spec")), origin=str(path))
        if name := unknown_field(value, asdict(info) | dict.fromkeys(("schema", "precision", "onnx_sha256"))):
            raise ModelFileError(made_later(str(path), f"it has the field {name!r}"))
        return replace(info, spec=spec)


def info_path(engine: Path) -> Path:
    """M.engine → M.engine.json."""
    return engine.with_name(f"{engine.name}.json")


def read_engine_header(path: Path) -> EngineHeader:
    """What built an engine. Raises ModelFileError if the file is missing, cut short or not an engine."""
    try:
        with open(path, "rb") as file:
            start = file.read(HEADER_BYTES)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such engine; `edgeunet export engine` makes one") from error
    if len(start) < HEADER_BYTES:
        raise ModelFileError(f"{path} is not an engine: it has {len(start)} bytes: {rebuild(path)}")
    magic, zero = struct.unpack_from("<II", start)
    if magic not in _MAGIC or zero != 0:
        raise ModelFileError(f"{path} is not a TensorRT engine: it begins with {start[:4]!r}: {rebuild(path)}")
    major, minor, patch, build = start[24:HEADER_BYTES]
    return EngineHeader(_MAGIC[magic], (major, minor, patch, build))


def check_engine(path: Path, machine: Machine | None = None) -> EngineInfo:
    """Check an engine file against its header, its M.engine.json and the machine that is to run it.

    machine: this one if not given. Raises ModelFileError for a file that is missing, damaged, not an engine or
    without its M.engine.json; MismatchError for one of another version, GPU or platform. Each message ends with
    the command that builds it again.
    """
    header = read_engine_header(path)
    described = info_path(path)
    if not described.is_file():
        raise ModelFileError(f"{path} has no {described.name} next to it, which describes it: {rebuild(path)}")
    info = EngineInfo.load(described)
    if sha256(path) != info.plan_sha256:
        raise ModelFileError(
            f"{path} is cut short, damaged, or not the engine that {described.name} describes: {rebuild(path, info)}"
        )
    differences = _differences(header, info, machine or Machine.here(header.provider))
    if differences:
        raise MismatchError(f"{path} was built {'; '.join(differences)}: {rebuild(path, info)}")
    return info


def check_engine_here(path: Path) -> EngineInfo:
    """check_engine() for this machine, with a note where another number of multiprocessors makes it slower."""
    info = check_engine(path)
    if slower := other_multiprocessors(info):
        note(f"{path} was built {slower}, and may be slower than it could be: {rebuild(path, info)}")
    return info


def other_multiprocessors(info: EngineInfo, machine: Machine | None = None) -> str:
    """In words, if the GPU has another number than the one that the kernels were chosen on; "" otherwise.

    A power mode may switch some off: the engine runs, and TensorRT warns that it may be slower.
    machine: this one if not given.
    """
    gpu = (machine or Machine.here(info.provider)).gpu
    if gpu is None or 0 in (gpu.multiprocessors, info.multiprocessors) or gpu.multiprocessors == info.multiprocessors:
        return ""
    return f"for {info.multiprocessors} multiprocessors, this machine has {gpu.multiprocessors}"


def _differences(header: EngineHeader, info: EngineInfo, machine: Machine) -> list[str]:
    found = []
    # Some releases give only three of the four numbers.
    if header.version[: len(machine.version)] != machine.version[:4]:
        found.append(f"by TensorRT {_dotted(header.version)}, this machine has {_dotted(machine.version)}")
    if info.platform != machine.platform:
        found.append(f"on {info.platform}, this machine is {machine.platform}")
    if (gpu := machine.gpu) and (info.gpu, info.compute_capability) != (gpu.name, gpu.compute_capability):
        found.append(
            f"for {info.gpu or 'no GPU'} (compute capability {info.compute_capability}), this machine has "
            f"{gpu.name} ({gpu.compute_capability})"
        )
    elif gpu and not _same_memory(info.gpu_memory_mib, gpu.memory_mib):
        found.append(f"for {info.gpu} with {info.gpu_memory_mib} MiB of memory, this machine has {gpu.memory_mib}")
    return found


def _same_memory(a: int, b: int) -> bool:
    return 0 in (a, b) or abs(a - b) <= _SAME_MEMORY * max(a, b)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def rebuild(path: Path, info: EngineInfo | None = None) -> str:
    """ "build it again with ..." and the command, with the options that are known."""
    options: tuple[str, ...] = ()
    if info is not None:
        onnx, options = os.path.normpath(path.parent / info.onnx), info.options
    elif path.with_suffix(".onnx").is_file():
        onnx = str(path.with_suffix(".onnx"))
    else:
        onnx = "MODEL.onnx"
    words = ["edgeunet", "export", "engine", onnx, "-o", str(path), *options, "--force"]
    return f"{REMEDY} `{shlex.join(words)}`"
