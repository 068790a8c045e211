"""What every command prints with: progress on stderr, results on stdout, errors in one line."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeunet.errors import EdgeUNetError
from edgeunet.parts import PARTS, missing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

    from edgeunet.finding import Finding

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def stdout() -> Console:
    """For results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def stderr() -> Console:
    """For progress, warnings and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def command_line() -> str:
    """What was typed to start this program, for a record of what it measured."""
    program = Path(sys.argv[0])
    words = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def progress() -> Progress:
    """A progress bar on stderr: what is done, how far, time left. Plain where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Note(ProgressColumn):
        """What the task says of itself, where it says something."""

        def render(self, task: Task) -> Text:
            return Text(str(task.fields.get("note", "")))

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        Note(),
        console=stderr(),
    )


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a small table on stdout; figures, in every column but the first, stand to the right.

    Ten columns fit into 80 characters; where they do not, the first column is folded, never a figure.
    """
    from rich import box
    from rich.table import Table

    grid = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=any(header))
    grid.pad_edge, grid.padding = False, (0, 1, 0, 0)
    for index, name in enumerate(header):
        first = index == 0
        grid.add_column(name, justify="left" if first else "right", no_wrap=not first, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    stdout().print(grid)


def print_findings(findings: Sequence[Finding]) -> None:
    """A line for each on stdout: ok, warning or wrong, what was found, what to do."""
    from rich.markup import escape

    out = stdout()
    for finding in findings:
        out.print(f"[{finding.color}]{finding.state:<8}[/] {escape(finding.text)}")


def print_json(value: Any) -> None:
    """What programs read, on stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def run(command: Callable[[], object], *, debug: bool = False) -> int:
    """Run a command and give its exit code; an error the user can act on becomes one line on stderr.

    debug: let the traceback through instead.
    """
    try:
        command()
    except EdgeUNetError as error:
        if debug:
            raise
        _line(str(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        part = (error.name or "").partition(".")[0]
        if debug or part not in PARTS:
            raise
        _line(str(missing(part)))
        return 1
    except OSError as error:
        if debug:
            raise
        _line(f"{error.filename or 'system'}: {(error.strerror or str(error)).lower()}")
        return 1
    except KeyboardInterrupt:
        _line("interrupted")
        return INTERRUPTED
    return 0


def _line(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
