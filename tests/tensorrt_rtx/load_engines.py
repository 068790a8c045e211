"""`python -m tests.tensorrt_rtx.load_engines FOLDER`: engines loaded, asked and let go on NVIDIA's real library.

By the session's own code, two at a time, as a fallback model or a reload has them. Without a GPU TensorRT-RTX makes a
runtime and reads a plan's head, and then refuses for want of a driver; with one it loads. Exit code 1 if a reason does
not come from the load that it is given for, or if the process would have survived a logger for each session.
"""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgeunet.board.gpu import find_gpu, tensorrt_module
from edgeunet.errors import GpuError, ModelFileError
from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path
from edgeunet.runtime.gpu.tensorrt_log import reason
from edgeunet.runtime.gpu.tensorrt_session import LoadedEngine
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.engine.export_engine import export_engine

NO_DRIVER = "CUDA driver version is insufficient"
NO_LIBRARY = "/nonexistent.so"
FILES = ("nano.fp32", "nano-dynamic-logits.int8+fp16")


def loaded(trt: Any, engine: Path) -> LoadedEngine | ModelFileError:
    """The engine, or why TensorRT does not load it; the error's traceback keeps the runtime, as an engine does."""
    try:
        return LoadedEngine(engine, trt, EngineInfo.load(info_path(engine)))
    except ModelFileError as error:
        return error


def say_globally(trt: Any) -> None:
    """Let TensorRT log what belongs to no runtime: it goes to the first logger that the process has given it."""
    trt.get_plugin_registry().load_library(NO_LIBRARY)


def logger_each(engine: Path) -> int:
    """Two runtimes, each with its own logger, of which the first goes: what no session of ours does. 0 if it lives."""
    trt: Any = tensorrt_module("tensorrt_rtx")
    first, second = trt.Runtime(trt.Logger()), trt.Runtime(trt.Logger())
    plan = engine.read_bytes()
    first.deserialize_cuda_engine(plan), second.deserialize_cuda_engine(plan)
    del first
    gc.collect()
    say_globally(trt)
    return 0


def has_gpu() -> bool:
    try:
        find_gpu()
    except GpuError:
        return False
    return True


def main(folder: Path) -> int:
    """Load, ask and let go; gives the exit code."""
    trt: Any = tensorrt_module("tensorrt_rtx")
    engines = [folder / f"{name}.engine" for name in FILES]
    for engine in engines:
        export_engine(engine.with_suffix(".onnx"), engine, EngineOptions("tensorrt_rtx"), if_stale=False, force=True)
    wrong = []

    def require(right: bool, what: str) -> None:
        sys.stdout.write(f"{'ok   ' if right else 'WRONG'} {what}\n")
        wrong.extend([] if right else [what])

    def require_loaded(engine: Path, found: LoadedEngine | ModelFileError) -> None:
        if isinstance(found, LoadedEngine):
            require(has_gpu() and "mask" in found.outputs(1), f"{engine.name} is loaded, and has {found.outputs(1)}")
        else:
            right = not has_gpu() and str(engine) in str(found) and NO_DRIVER in str(found)
            require(right, f"without a GPU {engine.name} is refused for want of a driver: {found}")

    first, second = (loaded(trt, engine) for engine in engines)
    require_loaded(engines[0], first)
    require_loaded(engines[1], second)
    del first
    gc.collect()
    say_globally(trt)
    said = reason()
    require(NO_LIBRARY in said, f"after the first has gone, what TensorRT says is heard:{said}")
    del second
    require_loaded(engines[1], loaded(trt, engines[1]))
    cut = folder / "cut.engine"
    cut.write_bytes(engines[0].read_bytes()[:-1])
    info_path(cut).write_bytes(info_path(engines[0]).read_bytes())
    refusal = loaded(trt, cut)
    require("header.size" in str(refusal), f"a plan that is cut is refused for that: {refusal}")
    command = [sys.executable, "-m", "tests.tensorrt_rtx.load_engines", "--logger-each", str(engines[0])]
    code = subprocess.run(command, check=False, capture_output=True).returncode
    require(code == -signal.SIGSEGV, f"with a logger for each session the process ends by signal {-code}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) if len(sys.argv) == 2 else logger_each(Path(sys.argv[2])))
