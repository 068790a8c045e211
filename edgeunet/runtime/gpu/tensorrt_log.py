"""The one logger that TensorRT gets in this process, for sessions and builds alike.

TensorRT keeps the address of the first logger that it is given and ignores later ones, while the bindings let a logger
go with the runtime or builder that brought it. So there is one for each package, and it is never freed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TextIO

from edgeunet.utils.formatting import one_line

_KEPT: dict[ModuleType, Any] = {}
_MOST = 20  # errors of a thread; the first is the cause
_making = threading.Lock()
_of_this_thread = threading.local()


def tensorrt_log(trt: Any) -> Any:
    """The logger for all builders and runtimes of the bindings `trt` (or of TensorRT-RTX's)."""
    with _making:
        if trt not in _KEPT:
            _KEPT[trt] = _make(trt)
        return _KEPT[trt]


def errors() -> list[str]:
    """TensorRT's errors in this thread, in order, since it was last asked for their reason()."""
    if not hasattr(_of_this_thread, "errors"):
        _of_this_thread.errors = []
    found: list[str] = _of_this_thread.errors
    return found


def reason(most: int = 200) -> str:
    """ " (the first error of this thread)", for a message, or ""; then all are forgotten."""
    found, _of_this_thread.errors = errors(), []
    return f" ({one_line(found[0], most)})" if found else ""


@contextmanager
def log_to(trt: Any, file: TextIO) -> Iterator[Any]:
    """The logger, whose messages, all but the verbose ones, are written to `file` meanwhile. Forgets earlier errors."""
    log = tensorrt_log(trt)
    reason()
    log.file = file
    try:
        yield log
    finally:
        log.file = None


def _make(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]
        """No exception may leave log(): it would pass through TensorRT's C++ code."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.file: TextIO | None = None

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR) and len(errors()) < _MOST:
                errors().append(msg)
            file = self.file
            if file is not None and severity != trt.ILogger.VERBOSE:
                file.write(f"{str(severity).rpartition('.')[2]}: {msg}\n")

    return Log()
