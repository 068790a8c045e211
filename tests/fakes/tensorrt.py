"""A FAKE of NVIDIA's `tensorrt` module, for machines without a GPU: it builds nothing and runs nothing.

Its classes and members are exactly those in tests/tensorrt_api/<version>.json, which were read off the
real bindings. What a version's list lacks raises AttributeError here too, also when it is set; what is listed
exists, but raises NotImplementedError when it is called, unless a behaviour below stands for it.

    fake = FakeTensorRT("10.3")
    monkeypatch.setitem(sys.modules, "tensorrt", fake.module)
    fake.module.Runtime(logger).deserialize_cuda_engine(fake.plan())
    fake.calls                    # [("Runtime", "deserialize_cuda_engine", (b"ftrt…",)), …]
    fake.refused_addresses = {"frame"}    # set_tensor_address gives False

Names with a leading underscore are the fake's own. The lists leave out Python's double underscores.
"""

from __future__ import annotations

import inspect
import json
import struct
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgeunet.board.gpu import Provider

LISTS = Path(__file__).parents[1] / "tensorrt_api"
VERSIONS = ("10.3", "10.16", "11.4")
NULL = "pybind11::init(): factory function returned nullptr"
_MAGIC: dict[Provider, int] = {"tensorrt": 0x74727466, "tensorrt_rtx": 0x74727476}


@dataclass(frozen=True)
class Tensor:
    """One input or output of an engine; -1 in the shape is dynamic."""

    name: str
    mode: str  # "INPUT" or "OUTPUT"
    dtype: str  # a member of DataType
    shape: tuple[int, ...]


TOY = (Tensor("frame", "INPUT", "UINT8", (1, 32, 48, 3)), Tensor("mask", "OUTPUT", "UINT8", (1, 32, 48)))


class FakeTensorRT:
    """One version's module, what was done with it (`calls`), and what is to go wrong (the other attributes)."""

    def __init__(self, version: str, provider: Provider = "tensorrt") -> None:
        self.version, self.provider = version, provider
        name = ".".join(version.split(".")[:2])  # the members change with the minor version
        name = name if provider == "tensorrt" else f"{provider}-{name}"
        self.members: dict[str, list[str] | None] = json.loads((LISTS / f"{name}.json").read_text())
        self.calls: list[tuple[str, str, tuple[Any, ...]]] = []
        self.builder_is_null = False
        self.parse_errors: Sequence[tuple[str, str, str]] = ()  # (node, operator, description)
        self.build_error = ""  # what is logged before the build gives None
        self.steps = 3  # that the progress monitor hears of
        self.refuses_timing_cache = False
        self.dla_cores = 0
        self.not_on_dla: set[str] = set()  # layers
        self.runtime_is_null = False
        self.deserializes = True
        self.context_is_null = False  # as when device memory runs out
        self.refused_addresses: set[str] = set()
        self.frames = 1  # of the batch that runs
        self.on_execute: Callable[[Mapping[str, int], int], bool] = lambda addresses, stream: True
        self._first_logger: weakref.ref[Any] | None = None
        self.module = self._module()

    def plan(self, tensors: Sequence[Tensor] = TOY) -> bytes:
        """A plan that this version's Runtime takes."""
        major, minor, patch, build = self._quad()
        header = struct.pack("<II16x4B", _MAGIC[self.provider], 0, major, minor, patch, build)
        return header + json.dumps([asdict(t) for t in tensors]).encode()

    def take_logger(self, logger: Any) -> None:
        """As TensorRT does: the address of the first one is kept, and no other is called."""
        _require_initialised(logger)
        self._first_logger = self._first_logger or weakref.ref(logger)

    def say(self, severity: str, message: str) -> None:
        """Log something."""
        logger = self._first_logger() if self._first_logger else None
        assert logger is not None, "TensorRT calls a logger that was freed: the process would end here"
        logger.log(getattr(self.module.ILogger, severity), message)

    def methods_called(self, owner: str) -> list[str]:
        """Methods called and attributes set of a class, in order."""
        return [name for class_name, name, _ in self.calls if class_name == owner]

    def _quad(self) -> tuple[int, int, int, int]:
        parts = [int(part) for part in self.version.split(".")] + [0, 0]
        return parts[0], parts[1], parts[2], parts[3]

    def _module(self) -> ModuleType:
        module: Any = ModuleType(self.provider)
        module.__version__ = ".".join(map(str, self._quad()[:3]))
        for name, members in self.members.items():
            if members is None:
                setattr(module, name, _FUNCTIONS.get(name) or _Unscripted(name))
            else:
                setattr(module, name, _make_class(name, members, self))
        return module  # type: ignore[no-any-return]


class _Unscripted:
    """A member that exists and that no behaviour stands for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError(f"the fake has no behaviour for {self._name}: give it one")


class _Object:
    """Like an object of the bindings, it takes no attribute that its class lacks; classes derived from it do."""

    _members: frozenset[str]
    _fake: FakeTensorRT

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and "_members" in type(self).__dict__:
            if name not in self._members:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            self._record(name, value)
        object.__setattr__(self, name, value)

    def _record(self, name: str, *arguments: Any) -> None:
        self._fake.calls.append((type(self).__name__, name, arguments))


class _Enumerator:
    def __init__(self, enum: str, name: str, value: int) -> None:
        self._text, self._value = f"{enum}.{name}", value

    def __int__(self) -> int:
        return self._value

    __index__ = __int__

    def __str__(self) -> str:
        return self._text


def _make_class(name: str, members: Sequence[str], fake: FakeTensorRT) -> type:
    behaviour = _BEHAVIOURS.get(name)
    if behaviour is None and members and all(member.isupper() for member in members):
        enum = type(name, (_Enumerator,), {})
        for value, member in enumerate(members):
            setattr(enum, member, enum(name, member, value))
        return enum
    body: dict[str, Any] = {"_members": frozenset(members), "_fake": fake}
    if behaviour is not None:
        body |= {key: value for key, value in behaviour.__dict__.items() if key.startswith("_") and key != "__dict__"}
    for member in members:
        body[member] = inspect.getattr_static(behaviour, member, None) or _Unscripted(f"{name}.{member}")
    body.pop("__weakref__", None)
    return type(name, (_Object,), body)


# The behaviours. Each stands for the class of the same name; only what the version's list has is taken from it.


class Severity:
    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return f"Severity.{self._name}"


class ILogger(_Object):
    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = map(
        Severity, ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE")
    )

    def __init__(self) -> None:
        self._initialised = True


class Logger(_Object):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = (
        ILogger.INTERNAL_ERROR,
        ILogger.ERROR,
        ILogger.WARNING,
        ILogger.INFO,
        ILogger.VERBOSE,
    )
    Severity = Severity

    def __init__(self, min_severity: Any = ILogger.WARNING) -> None:
        self._initialised = True

    def log(self, severity: Any, msg: str) -> None:
        self._record("log", severity, msg)


class IProgressMonitor(_Object):
    def __init__(self) -> None:
        self._initialised = True


class IInt8EntropyCalibrator2(_Object):
    def __init__(self) -> None:
        self._initialised = True


class Dims(_Object):
    MAX_DIMS = 8

    def __init__(self, shape: Sequence[int]) -> None:
        self._shape = tuple(shape)

    def __len__(self) -> int:
        return len(self._shape)

    def __getitem__(self, index: int) -> int:
        return self._shape[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._shape)


class IHostMemory(_Object):
    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def nbytes(self) -> int:
        return len(self._content)

    def __bytes__(self) -> bytes:  # in place of the buffer protocol, which Python code has from 3.12 on
        return self._content


class ParserError(_Object):
    def __init__(self, node: str, operator: str, description: str) -> None:
        self._facts = (node, operator, description)

    def node_name(self) -> str:
        return self._facts[0]

    def node_operator(self) -> str:
        return self._facts[1]

    def desc(self) -> str:
        return self._facts[2]


class ITensor(_Object):
    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    @property
    def name(self) -> str:
        return self._tensor.name

    @property
    def dtype(self) -> Any:
        return getattr(self._fake.module.DataType, self._tensor.dtype)

    @property
    def shape(self) -> Any:
        return self._fake.module.Dims(self._tensor.shape)


class ILayer(_Object):
    def __init__(self, name: str, outputs: Sequence[Any]) -> None:
        self._name, self._outputs = name, outputs

    @property
    def name(self) -> str:
        return self._name

    def get_output(self, index: int) -> Any:
        return self._outputs[index]


class INetworkDefinition(_Object):
    def __init__(self, flags: int) -> None:
        self._tensors: list[Tensor] = []
        self._layers: list[tuple[str, Sequence[Any]]] = []

    def _side(self, mode: str) -> list[Tensor]:
        return [tensor for tensor in self._tensors if tensor.mode == mode]

    @property
    def num_inputs(self) -> int:
        return len(self._side("INPUT"))

    def get_input(self, index: int) -> Any:
        return self._fake.module.ITensor(self._side("INPUT")[index])

    @property
    def num_outputs(self) -> int:
        return len(self._side("OUTPUT"))

    def get_output(self, index: int) -> Any:
        return self._fake.module.ITensor(self._side("OUTPUT")[index])

    def unmark_output(self, tensor: Any) -> None:
        self._record("unmark_output", tensor.name)
        self._tensors = [t for t in self._tensors if t.name != tensor.name]

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_layer(self, index: int) -> Any:
        return self._fake.module.ILayer(*self._layers[index])


class OnnxParser(_Object):
    def __init__(self, network: Any, logger: Any) -> None:
        self._network = network
        self._errors: list[Any] = []

    def set_flag(self, flag: Any) -> None:
        self._record("set_flag", str(flag))

    def parse_from_file(self, path: str) -> bool:
        """Reads a real ONNX file for its inputs, outputs and nodes."""
        import onnx

        self._record("parse_from_file", path)
        self._errors = [self._fake.module.ParserError(*error) for error in self._fake.parse_errors]
        if self._errors:
            return False
        graph = onnx.load(path).graph
        for mode, values in (("INPUT", graph.input), ("OUTPUT", graph.output)):
            for value in values:
                kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
                shape = tuple(d.dim_value or -1 for d in value.type.tensor_type.shape.dim)
                self._network._tensors.append(Tensor(value.name, mode, kind, shape))
        for node in graph.node:
            outputs = [self._fake.module.ITensor(Tensor(name, "NONE", "FLOAT", ())) for name in node.output]
            self._network._layers.append((node.name or node.output[0], outputs))
        return True

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> Any:
        return self._errors[index]


class ITimingCache(_Object):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def serialize(self) -> Any:
        return self._fake.module.IHostMemory(self._content)


class IOptimizationProfile(_Object):
    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002
        self._record("set_shape", input, tuple(min), tuple(opt), tuple(max))


class IBuilderConfig(_Object):
    def set_flag(self, flag: Any) -> None:
        self._record("set_flag", str(flag))

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._record("set_memory_pool_limit", str(pool), pool_size)

    def add_optimization_profile(self, profile: Any) -> int:
        self._record("add_optimization_profile", profile)
        return 0

    def can_run_on_DLA(self, layer: Any) -> bool:  # noqa: N802
        return layer.name not in self._fake.not_on_dla

    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
        self._record("create_timing_cache", serialized_timing_cache)
        return self._fake.module.ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self._record("set_timing_cache", cache, ignore_mismatch)
        if self._fake.refuses_timing_cache and bytes(cache.serialize()):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> Any:
        timed = bytes(self._cache.serialize()) + b"timed;"
        return self._fake.module.ITimingCache(timed)


class Builder(_Object):
    def __init__(self, logger: Any) -> None:
        self._fake.take_logger(logger)
        self._record("__init__", logger)
        self._logger = logger  # as the bindings: it lives as long as this
        if self._fake.builder_is_null:
            raise TypeError(NULL)

    @property
    def num_DLA_cores(self) -> int:  # noqa: N802
        return self._fake.dla_cores

    def create_network(self, flags: int = 0) -> Any:
        self._record("create_network", flags)
        return self._fake.module.INetworkDefinition(flags)

    def create_builder_config(self) -> Any:
        return self._fake.module.IBuilderConfig()

    def create_optimization_profile(self) -> Any:
        return self._fake.module.IOptimizationProfile()

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        self._record("build_serialized_network", network, config)
        fake, set_on_config = self._fake, config.__dict__
        fake.say("INFO", "the fake builds")
        fake.say("VERBOSE", "and says every thought")
        calibrator = set_on_config.get("int8_calibrator")
        if calibrator is not None:
            _require_initialised(calibrator)
            self._record("calibrate", calibrator.read_calibration_cache())
        monitor = set_on_config.get("progress_monitor")
        if monitor is not None:
            _require_initialised(monitor)
            monitor.phase_start("Building", None, self._fake.steps)
            going = all(monitor.step_complete("Building", step) for step in range(self._fake.steps))
            monitor.phase_finish("Building")
            if not going:
                return None
        if fake.build_error:
            fake.say("ERROR", fake.build_error)
            return None
        return fake.module.IHostMemory(fake.plan(network._tensors))


class ICudaEngine(_Object):
    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = {tensor.name: tensor for tensor in tensors}

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return getattr(self._fake.module.TensorIOMode, self._tensors[name].mode)

    def get_tensor_dtype(self, name: str) -> Any:
        return getattr(self._fake.module.DataType, self._tensors[name].dtype)

    def get_tensor_shape(self, name: str) -> Any:
        return self._fake.module.Dims(self._tensors[name].shape)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Any]:
        batches = (1, 1, 8)
        shape = self._tensors[name].shape
        return [self._fake.module.Dims([batch if n == -1 else n for n in shape]) for batch in batches]

    def create_execution_context(self) -> Any:
        self._record("create_execution_context")
        return None if self._fake.context_is_null else self._fake.module.IExecutionContext(self)


class IExecutionContext(_Object):
    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._shapes = {name: tensor.shape for name, tensor in engine._tensors.items()}
        self._addresses: dict[str, int] = {}

    @property
    def engine(self) -> Any:
        return self._engine

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        self._record("set_input_shape", name, tuple(shape))
        declared = self._engine._tensors[name].shape
        if len(declared) != len(shape) or any(d not in (-1, n) for d, n in zip(declared, shape, strict=True)):
            return False
        batch = shape[0]
        self._shapes = {key: tuple(batch if n == -1 else n for n in value) for key, value in self._shapes.items()}
        return True

    def get_tensor_shape(self, name: str) -> Any:
        return self._fake.module.Dims(self._shapes[name])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._record("set_tensor_address", name, memory)
        if name in self._fake.refused_addresses or name not in self._shapes:
            return False
        self._addresses[name] = memory
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    @property
    def all_binding_shapes_specified(self) -> bool:
        return all(-1 not in shape for shape in self._shapes.values())

    def infer_shapes(self) -> list[str]:
        return [name for name, shape in self._shapes.items() if -1 in shape]

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._record("execute_async_v3", stream_handle)
        if set(self._addresses) != set(self._shapes) or self.infer_shapes():
            return False
        self._fake.frames = self._shapes["frame"][0]
        return self._fake.on_execute(dict(self._addresses), stream_handle)


class Runtime(_Object):
    def __init__(self, logger: Any) -> None:
        self._fake.take_logger(logger)
        self._record("__init__", logger)
        self._logger = logger  # as the bindings: it lives as long as this
        if self._fake.runtime_is_null:
            raise TypeError(NULL)

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
        self._record("deserialize_cuda_engine", bytes(serialized_engine))
        header = self._fake.plan(())[:28]
        if not self._fake.deserializes or bytes(serialized_engine[:28]) != header:
            self._fake.say("ERROR", "the fake cannot deserialize this")
            return None
        tensors = json.loads(bytes(serialized_engine[28:]))
        return self._fake.module.ICudaEngine([Tensor(**{**t, "shape": tuple(t["shape"])}) for t in tensors])


def _require_initialised(derived: Any) -> None:
    if not getattr(derived, "_initialised", False):
        raise TypeError(f"{type(derived).__name__}.__init__() must be called when overriding __init__")


def _nptype(trt_type: Any) -> Any:
    import numpy as np

    names = {"UINT8": np.uint8, "INT8": np.int8, "FLOAT": np.float32, "HALF": np.float16, "INT32": np.int32}
    return names[str(trt_type).partition(".")[2]]


_FUNCTIONS: dict[str, Any] = {
    "nptype": _nptype,
    "init_libnvinfer_plugins": lambda logger, namespace: True,
}
_BEHAVIOURS: dict[str, type] = {
    behaviour.__name__: behaviour
    for behaviour in (
        *(ILogger, Logger, IProgressMonitor, IInt8EntropyCalibrator2, Dims, IHostMemory, ParserError, ITensor, ILayer),
        *(INetworkDefinition, OnnxParser, ITimingCache, IOptimizationProfile, IBuilderConfig, Builder),
        *(ICudaEngine, IExecutionContext, Runtime),
    )
}
