"""Train a compact U-Net, export it, run it behind a camera, and guard its latency.

The names below are loaded at their first use: `import edgeunet` alone takes milliseconds, and what runs on a board
never loads PyTorch. `docs/api.md` lists them all.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from edgeunet.errors import (
    BoardError,
    BrokenDependencyError,
    CommandError,
    DatasetError,
    EdgeUNetError,
    ExportError,
    FrameError,
    GpuError,
    ImageError,
    MismatchError,
    MissingDependencyError,
    ModelFileError,
    OutputError,
    RecordError,
    SourceError,
    TrainingError,
    UsageError,
)
from edgeunet.version import __version__ as __version__

__all__ = [
    "BoardError",
    "BrokenDependencyError",
    "CameraOptions",
    "CommandError",
    "DatasetError",
    "EdgeUNetError",
    "Evaluation",
    "ExportError",
    "FrameError",
    "GpuError",
    "HostPort",
    "ImageError",
    "LoopStats",
    "MismatchError",
    "MissingDependencyError",
    "ModelFileError",
    "ModelSpec",
    "OutputError",
    "RecordError",
    "Result",
    "Session",
    "SinkOptions",
    "SourceError",
    "TrainingError",
    "TrainingOptions",
    "TrainingResult",
    "UsageError",
    "evaluate",
    "open_session",
    "run_camera",
    "train",
]

if TYPE_CHECKING:
    from edgeunet.camera import CameraOptions, LoopStats, SinkOptions, run_camera
    from edgeunet.camera.serving.hostport import HostPort
    from edgeunet.evaluation.command import evaluate
    from edgeunet.evaluation.score import Evaluation
    from edgeunet.runtime import Result, Session, open_session
    from edgeunet.spec import ModelSpec
    from edgeunet.training.command import train
    from edgeunet.training.training_options import TrainingOptions
    from edgeunet.training.training_run import TrainingResult
else:
    _HOMES = {
        "edgeunet.camera": ("CameraOptions", "LoopStats", "SinkOptions", "run_camera"),
        "edgeunet.camera.serving.hostport": ("HostPort",),
        "edgeunet.evaluation.command": ("evaluate",),
        "edgeunet.evaluation.score": ("Evaluation",),
        "edgeunet.runtime": ("Result", "Session", "open_session"),
        "edgeunet.spec": ("ModelSpec",),
        "edgeunet.training.command": ("train",),
        "edgeunet.training.training_options": ("TrainingOptions",),
        "edgeunet.training.training_run": ("TrainingResult",),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(_HOME_OF[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
