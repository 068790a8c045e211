"""What every command prints with: progress on stderr, results on stdout, errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgeunet.errors import EdgeUNetError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def stdout() -> Console:
    """For results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def stderr() -> Console:
    """For progress, warnings and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def progress() -> Progress:
    """A progress bar on stderr: what is done, how far, time left. Plain where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
        console=stderr(),
    )


def run(command: Callable[[], object]) -> int:
    """Run a command and give its exit code; an error the user can act on becomes one line on stderr.

    `--debug` anywhere on the command line lets the traceback through.
    """
    try:
        command()
    except EdgeUNetError as error:
        if "--debug" in sys.argv:
            raise
        _line(str(error))
        return error.exit_code
    except OSError as error:
        if "--debug" in sys.argv:
            raise
        _line(f"{error.filename or 'system'}: {(error.strerror or str(error)).lower()}")
        return 1
    except KeyboardInterrupt:
        _line("interrupted")
        return INTERRUPTED
    return 0


def _line(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
