"""The command line as the units and the guide call it."""

from __future__ import annotations

import shlex

import typer.main

from edgeunet.cli import app as main_app
from edgeunet.cli import bench, export


def unknown_options(line: str) -> set[str]:
    """Options in "camera model.engine --source 0" that its command does not have. KeyError: no such command."""
    verb, *words = shlex.split(line, comments=True)
    app = {"export": export.app, "bench": bench.app}.get(verb, main_app)
    command = typer.main.get_group(app).commands[verb if app is main_app else words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    return {word for word in words if word.startswith("-")} - known
