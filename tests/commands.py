"""`edgeunet` as a user types it, in this process; and as the command line reads it, without running anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import pytest
import typer

from edgeunet import cli


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `edgeunet ARGUMENTS…`."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["edgeunet", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return Ran(int(end.value.code or 0), out, err)

    return call


def parse(words: Sequence[str]) -> None:
    """Read `edgeunet WORDS…` as the command line does; raises what it raises for a wrong command, option or value."""
    command, rest = command_of(words)
    command.make_context(" ".join(words), rest)


def unknown_options(words: Sequence[str]) -> set[str]:
    """Options among the words that their command does not have. Raises KeyError if there is no such command."""
    command, rest = command_of(words)
    return {word for word in rest if word.startswith("-") and word != "-"} - options_of(command)


def all_options() -> set[str]:
    """The options of all commands together."""
    return set().union(*map(options_of, _commands(_root())))


def options_of(command: Any) -> set[str]:
    names = (option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    return {*names, "--help"}


def command_of(words: Sequence[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words after them. Raises KeyError if there is no such command."""
    command, rest = _root(), list(words)
    while rest and rest[0][:1] != "-" and hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    return command, rest


def _commands(command: Any) -> list[Any]:
    return [found for c in getattr(command, "commands", {}).values() for found in (c, *_commands(c))]


@cache
def _root() -> Any:
    return typer.main.get_command(cli.app)
