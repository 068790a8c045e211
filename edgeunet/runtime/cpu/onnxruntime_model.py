"""The one place that opens ONNX Runtime. Its errors, at opening or while running, become ModelFileErrors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeunet.board.machine import int8_instructions
from edgeunet.errors import ModelFileError
from edgeunet.utils.dependencies import needed
from edgeunet.utils.formatting import one_line

_EXACT_SUMS = "session.x64quantprecision"
_SELECTOR = "QDQSelectorActionTransformer"


def onnxruntime() -> Any:
    """The module; raises MissingDependencyError without it."""
    with needed("onnxruntime"):
        import onnxruntime as module
    return module


def write_basic_graph(model: bytes, path: Path, *, origin: str) -> None:
    """Write a model after ONNX Runtime's basic rules: ONNX's own operators, and constants for what needs no input.

    Raises ModelFileError if it refuses the model. origin: its name there.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    with refusals(origin):
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OrtModel:
    """An opened graph. session: ONNX Runtime's own."""

    def __init__(
        self,
        source: str | bytes,
        *,
        origin: str,
        threads: int = 0,
        spins: bool = True,
        arena: bool = True,
        profile: Path | None = None,
    ) -> None:
        """source: a file's path, or a model's bytes. origin: its name in errors. threads: 0 for all cores.

        spins: idle threads wait busily. arena: freed memory is kept for the next call. profile: the beginning of the
        name of the file that session.end_profiling() writes, with the time of each node. Raises ModelFileError.
        """
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4  # fatal ones only: errors come as exceptions
        options.enable_cpu_mem_arena = arena
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
        # On x86-64 without VNNI sums of two products of uint8 and int8 saturate at 16 bits else: 0.3 % of the pixels of
        # a small network differ, and none with it, for 6.1 ms of the CPU and not 5.1. With VNNI they are exact without
        # it, and with it a large network takes 50 ms and not 20.
        options.add_session_config_entry(_EXACT_SUMS, "0" if int8_instructions() else "1")
        self.origin = origin
        # It quantises the float biases: with it masks differ from an exact simulation in 1.4 % of the pixels, without
        # it in 0.44 %; and float16 scales overflow.
        disabled = ["WeightBiasQuantization"]

        def opened() -> Any:
            providers = ["CPUExecutionProvider"]
            return ort.InferenceSession(source, options, providers=providers, disabled_optimizers=disabled)

        def adapted(error: Exception) -> bool:
            """Leave out what ONNX Runtime failed in; False if it was neither."""
            if "QLinear" in str(error) and _SELECTOR not in disabled:
                # It puts operators of its own in the place of Q/DQ pairs, and then finds that these take no float16.
                disabled.append(_SELECTOR)
            elif "AddInitializer" in str(error) and options.get_session_config_entry(_EXACT_SUMS) == "1":
                # For exact sums it replaces int8 weights, and fails where the int8 ones are used as well.
                options.add_session_config_entry(_EXACT_SUMS, "0")
            else:
                return False
            return True

        with refusals(origin):
            while True:
                try:
                    self.session = opened()
                    break
                except Exception as error:  # see refusals()
                    if not adapted(error):
                        raise

    def run(self, outputs: Sequence[str] | None, inputs: Mapping[str, Any]) -> list[Any]:
        """The arrays of these outputs, all if None; raises ModelFileError if the graph fails on the inputs."""
        with refusals(self.origin):
            found: list[Any] = self.session.run(outputs, dict(inputs))
        return found

    def run_bound(self, binding: Any) -> None:
        """As run, with inputs and outputs that are bound to buffers."""
        with refusals(self.origin):
            self.session.run_with_iobinding(binding)


@contextmanager
def refusals(origin: str) -> Iterator[None]:
    """Turn what ONNX Runtime raises into a ModelFileError."""
    try:
        yield
    except Exception as error:  # ONNX Runtime raises bare pybind classes, a new one for each cause
        reason = one_line(error, 160)
        raise ModelFileError(f"{origin} does not run in ONNX Runtime ({reason}): export it again") from error
