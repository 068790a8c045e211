"""The command line as the units and the guide call it."""

from __future__ import annotations

import shlex

import typer.main

import benchmarks.cli
import export.cli
from edgeunet import cli


def unknown_options(line: str) -> set[str]:
    """Options in "camera model.engine --source 0" that its command does not have. KeyError: no such command."""
    verb, *words = shlex.split(line, comments=True)
    app = {"export": export.cli.app, "bench": benchmarks.cli.app}.get(verb, cli.app)
    command = typer.main.get_group(app).commands[verb if app is cli.app else words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    return {word for word in words if word.startswith("-")} - known
