"""The output of every command: progress on stderr, results on stdout, errors in one line.

Text is printed as it is: nothing in a name is markup or a command of the terminal, and letters that the terminal
lacks are replaced.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

from edgeunet.errors import EdgeUNetError, OutputError, system_reason
from edgeunet.utils.dependencies import OPTIONAL_DEPENDENCIES, broken, lacks, loading, missing
from edgeunet.utils.redaction import shown_command

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

    from edgeunet.utils.check import Check

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended
HANGS_S = 5.0  # without a step of Python after SIGTERM, and a command is ended at once
_may_hang = WeakSet[threading.Thread]()


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with control characters written as escapes: ESC as \\x1b."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def stdout() -> Console:
    """For results."""
    return _console(stderr=False)


def stderr() -> Console:
    """For progress, warnings and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        """Prints text as it is."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

        def on_broken_pipe(self) -> None:
            raise

    return Plain(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def command_line() -> str:
    """The command line of this program, for records: without passwords and tokens."""
    program = Path(sys.argv[0])
    words = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shown_command([*words, *sys.argv[1:]])


def progress(*, by_itself: bool = True) -> Progress:
    """A progress bar on stderr: the work, how far it is, time left. Plain if stderr is not a terminal.

    by_itself: a thread draws it; without it, it is drawn on request only, and takes no time from a measurement.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Note(ProgressColumn):
        """The note of a task, if it has one."""

        def render(self, task: Task) -> Text:
            return Text(str(task.fields.get("note", "")))

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        Note(),
        console=stderr(),
        auto_refresh=by_itself,
    )


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a small table on stdout; every column except the first has figures, aligned to the right.

    Ten columns fit into 80 characters; if they do not, the first column is folded, never a figure. Without a header it
    is a list of names and what they say: names of up to half the width stay whole, texts begin at the left and are
    folded.
    """
    from rich import box
    from rich.table import Table

    grid = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=any(header))
    grid.pad_edge, grid.padding = False, (0, 1, 0, 0)
    for index, name in enumerate(header):
        text = (index == 0) == any(header)
        figure = any(header) and index > 0
        grid.add_column(name, justify="right" if figure else "left", no_wrap=not text, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    out = stdout()
    if not any(header) and max((len(row[0]) for row in rows), default=0) > out.width // 2:
        grid.columns[0].no_wrap, grid.columns[0].max_width = False, out.width // 2
    out.print(grid)


def print_checks(checks: Sequence[Check]) -> None:
    """A line for each on stdout: ok, warning or wrong, what was found, what to do."""
    from rich.text import Text

    out = stdout()
    for check in checks:
        out.print(Text(f"{check.state:<8}", style=check.color), printable(check.text))


def print_json(value: Any) -> None:
    """JSON on stdout, for programs."""
    if sys.stdout is None:
        raise OutputError("standard output is closed, and --json prints there")
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def run(command: Callable[[], object], *, debug: bool = False) -> int:
    """Run a command and return its exit code; an error that the user can act on becomes one line on stderr.

    debug: let the traceback through instead.
    """
    with _quiet_stderr(debug=debug), _own_stdout(), _ended_by_sigterm():
        try:
            try:
                command()
            finally:  # typer ends a command with SystemExit
                if sys.stdout is not None:
                    sys.stdout.flush()
        except EdgeUNetError as error:
            if debug:
                raise
            _line(str(error))
            return error.exit_code
        except ImportError as error:
            part = lacks(error)
            ours = bool(part) or (error.name or "").startswith("edgeunet")
            if debug or (ours and part not in OPTIONAL_DEPENDENCIES and not loading(error)):
                raise
            _line(str(missing(part)) if part in OPTIONAL_DEPENDENCIES else broken(error))
            return 1
        except BrokenPipeError:  # the reader, such as `head`, has ended
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            if debug:
                raise
            # ctypes raises one for a library that a package loads and that is not there
            _line(broken(error) if loading(error) else f"{error.filename or 'system'}: {system_reason(error)}")
            return 1
        except MemoryError:
            if debug:
                raise
            _line("there is not enough memory for this: close other programs, or use smaller inputs")
            return 1
        except KeyboardInterrupt:
            _line("interrupted")
            return INTERRUPTED
    return 0


def do_not_wait_for(thread: threading.Thread) -> None:
    """Let end() leave this thread behind: it may hang in a driver."""
    _may_hang.add(thread)


def end(code: object) -> NoReturn:
    """End the process with the code of a SystemExit; at once if a thread hangs, for which Python would wait."""
    if any(thread.is_alive() for thread in _may_hang):
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    raise SystemExit(code)


@contextmanager
def _quiet_stderr(*, debug: bool) -> Iterator[None]:
    """Continue if standard error can no longer be written.

    What libraries write to its descriptor (libpng, FFmpeg, ONNX Runtime) or to a log without a handler (Pillow) is
    left out unless `debug` is set: our own message has what matters.
    """
    before = sys.stderr
    if debug or not _is_descriptor(before, 2):
        yield
        return
    before.flush()
    said, logging.lastResort = logging.lastResort, logging.NullHandler()
    ours = os.dup(2)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
    sys.stderr = _Tolerant(io.FileIO(ours, "w", closefd=False), before.encoding, "replace", write_through=True)
    try:
        yield
    finally:
        logging.lastResort = said
        os.dup2(ours, 2)
        sys.stderr = before
        os.close(ours)


@contextmanager
def _own_stdout() -> Iterator[None]:
    """Print on any terminal, and keep standard output for results.

    What libraries write to its descriptor goes where that of standard error does: the camera driver of a Jetson prints
    there from C, and --json and --jsonl - would not be JSON.
    """
    before = sys.stdout
    if isinstance(before, io.TextIOWrapper):
        before.reconfigure(errors="replace")
    if not _is_descriptor(before, 1):
        yield
        return
    before.flush()
    quiet = os.open(os.devnull, os.O_WRONLY)  # it is 2 if standard error is closed
    sys.stdout = ours = open(os.dup(1), "w", encoding=before.encoding, errors="replace")  # noqa: SIM115
    os.dup2(2, 1)
    os.close(quiet)
    try:
        yield
    finally:
        sys.stdout = before
        os.dup2(ours.fileno(), 1)
        with suppress(OSError):  # told by run()
            ours.close()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: what it started ends with it, and what it has measured is kept.

    Programs in the background ignore Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    heard = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        heard.set()
        raise KeyboardInterrupt

    def end_what_hangs() -> None:
        """Python handles a signal only between two steps of its own: a library that hangs would block it forever."""
        with open(reader, "rb", buffering=0) as told:
            while number := told.read(1):
                ours = number[0] == signal.SIGTERM and signal.getsignal(signal.SIGTERM) is end
                if ours and not heard.wait(HANGS_S):
                    os._exit(128 + signal.SIGTERM)

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    _wakeups.add(writer)
    threading.Thread(target=end_what_hangs, name="edgeunet-sigterm", daemon=True).start()
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        heard.set()  # what comes after the command is not ended
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.set_wakeup_fd(before)
        _wakeups.discard(writer)
        os.close(writer)


def _leave_wakeups() -> None:
    """In a fork, such as a worker that prepares crops: its SIGTERM must not reach the process that it comes from."""
    if _wakeups:
        signal.set_wakeup_fd(-1)


_wakeups: set[int] = set()  # the pipe by which a command hears its signals, while one runs
os.register_at_fork(after_in_child=_leave_wakeups)


def _is_descriptor(stream: Any, number: int) -> bool:
    try:
        return bool(stream.fileno() == number)
    except (AttributeError, OSError, ValueError):
        return False


class _Tolerant(io.TextIOWrapper):
    """Standard error may be a full disk or a closed pipe: that must not end the work."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def _line(message: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"error: {printable(message)}\n")
