"""The errors that a user can act on.

EdgeUNetError               exit code 1; the message says what it got, what it expected, what to do
├── UsageError              exit code 2: options that contradict each other or a value out of range
├── DatasetError            a dataset folder with problems, all of them listed
├── ModelFileError          a model or checkpoint that is missing, damaged or of another tool
├── MismatchError           two things that are fine alone but do not belong together
├── FrameError              a frame of the wrong shape or dtype
├── ImageError              an image or mask file that cannot be read
├── SourceError             a camera, video or image that cannot be read
├── OutputError             an output that exists already or cannot be written
├── RecordError             a latency record that is damaged or of another version
├── CommandError            a measured command that fails, does not end, or reports no latency
├── TrainingError           a training that cannot continue (loss not finite, other settings on resume)
├── ExportError             an exported model file that failed its check
├── GpuError                no GPU, no driver, bindings that do not fit, or a GPU that fails
├── BoardError              a board that refuses a setting, such as a power mode
└── MissingDependencyError  an optional dependency that is not installed; the message names the command
    └── BrokenDependencyError   one that is installed and does not load
"""

from __future__ import annotations

from pathlib import Path


def system_reason(error: OSError) -> str:
    """The system's words for an error, for the middle of a message: "permission denied"."""
    return (error.strerror or str(error)).lower()


def not_found(path: Path, what: str) -> str:
    """The beginning of a message about a path that is no `what`: it is missing, or something else is there."""
    if path.is_dir():
        return f"{path} is a folder, not a {what}"
    if path.is_file():
        return f"{path} is a file, not a {what}"
    return f"{path} is a device or a pipe, not a {what}" if path.exists() else f"{path}: no such {what}"


class EdgeUNetError(Exception):
    """Base of all errors that end a command with one line instead of a traceback."""

    exit_code = 1


class UsageError(EdgeUNetError, ValueError):
    """Options that contradict each other, or a value out of range."""

    exit_code = 2


class DatasetError(EdgeUNetError):
    """A dataset folder with problems; the message lists all of them."""


class ModelFileError(EdgeUNetError):
    """A model or checkpoint file that is missing, damaged or not one of ours."""


class MismatchError(EdgeUNetError):
    """Two things that are fine alone but do not belong together, such as a model and a dataset of other classes."""


class FrameError(EdgeUNetError, ValueError):
    """A frame of the wrong shape or dtype."""


class ImageError(EdgeUNetError):
    """An image or mask file that cannot be read.

    what: is wrong with it. path: of the file, if it is known. remedy: the same for all such files, if there is one.
    """

    def __init__(self, what: str, path: object = None, remedy: str = "") -> None:
        super().__init__(f"{'the image' if path is None else path} {what}{remedy and f': {remedy}'}")
        self.what, self.path, self.remedy = what, path, remedy


class SourceError(EdgeUNetError):
    """A camera, video or image that cannot be opened or read."""


class OutputError(EdgeUNetError):
    """An output that exists already or cannot be written."""


class RecordError(EdgeUNetError):
    """A latency record that is damaged, incomplete or of another version."""


class CommandError(EdgeUNetError):
    """A measured command that cannot start, fails, does not end, or reports no latency."""


class TrainingError(EdgeUNetError):
    """A training run that cannot start or continue."""


class ExportError(EdgeUNetError):
    """An exported model that failed its check; nothing is written under the final name."""


class GpuError(EdgeUNetError):
    """A GPU, its driver or its libraries that are missing, too old, or that fail at work."""


class BoardError(EdgeUNetError):
    """A board that refuses a setting, such as a power mode."""


class MissingDependencyError(EdgeUNetError):
    """An optional dependency that is not installed; the message names the command that installs it."""

    def __init__(self, name: str, why: str, install: str) -> None:
        super().__init__(f"{name} is not installed, and {why} needs it: {install}")


class BrokenDependencyError(MissingDependencyError):
    """An optional dependency that is installed and does not load; the message says why, and how to install it again."""

    def __init__(self, message: str) -> None:
        EdgeUNetError.__init__(self, message)
