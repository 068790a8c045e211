"""The common part of all studies: their options, and the result file, with the command that made it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edgeunet.utils import console
from edgeunet.utils.files import require_distinct, require_writable, write_json
from edgeunet.utils.redaction import shown_command

Output = Annotated[Path, typer.Option("--output", "-o", help="Result to write (JSON).")]
OptionalOutput = Annotated[
    Path | None, typer.Option("--output", "-o", help="Result to write (JSON); only printed if not given.")
]
Rounds = Annotated[int, typer.Option(min=1, max=10_000, help="How often all arms take their turns.")]


@dataclass(frozen=True)
class Study:
    """A study that `python -m` starts.

    doc: of its module: the command, and below its first paragraph what the study does. schema: of its result, which
    then holds those paragraphs too; "" where it holds figures alone.
    """

    doc: str
    schema: str = ""

    def keep(
        self, output: Path | None, measure: Callable[[], dict[str, Any]], *, force: bool, inputs: Sequence[Path] = ()
    ) -> dict[str, Any]:
        """Measure, write the result if there is an `output`, and return what was measured.

        Raises UsageError or OutputError, before anything is measured, if `output` is one of the `inputs`, or exists
        and `force` is false.
        """
        if output:
            require_distinct({"-o": output}, {"the input": inputs})
            require_writable(output, force=force)
        found = measure()
        if output:
            what = " ".join(self.doc.split("\n\n", 1)[1].split())
            about = {"schema": self.schema, "what": what} if self.schema else {}
            write_json(output, {**about, "command": command_of(self.module), **found}, force=force)
            console.stdout().print(f"written to {output}")
        return found

    @property
    def module(self) -> str:
        """The module's name, as in the command that its docstring shows."""
        return self.doc.partition("python -m ")[2].split()[0].rstrip("`:")


def command_of(module: str) -> str:
    """What was typed to start this program, with `python -m`; passwords and tokens are hidden."""
    return shown_command(["python", "-m", module, *sys.argv[1:]])


@dataclass(frozen=True)
class Goal:
    """What a figure should reach: at least that much, or with `most` at most."""

    value: float
    most: bool = False

    def __str__(self) -> str:
        return f"{'at most' if self.most else 'at least'} {self.value:g}"

    def reached(self, figure: float) -> bool:
        return figure <= self.value if self.most else figure >= self.value


def judge(figures: Mapping[str, float], goals: Mapping[str, Goal]) -> None:
    """Print each figure and its goal; raises typer.Exit with code 1, and a line for each, if one falls short."""
    rows = [(name, f"{figures[name]:.2f}", str(goal)) for name, goal in goals.items()]
    console.table("", ("", "measured", "goal"), rows)
    short = [name for name, goal in goals.items() if not goal.reached(figures[name])]
    for name in short:
        console.stdout().print(f"falls short: {name} is {figures[name]:.2f}, the goal is {goals[name]}")
    if short:
        raise typer.Exit(1)


def app_of(main: Callable[..., None]) -> typer.Typer:
    """The command line of a study's `main`."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    return app


def run(main: Callable[..., None]) -> NoReturn:
    """Start a study; an error of its user is one line on stderr."""
    sys.exit(console.run(app_of(main)))


def rounds_of(count: int) -> Iterator[int]:
    """The numbers of the rounds, with a progress bar on stderr."""
    with console.progress() as bar:
        yield from bar.track(range(count), description="rounds")
