"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import inspect
import os
import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edgeunet.cli.bench import app as bench_app
from edgeunet.cli.bench.fit import fit
from edgeunet.cli.camera import camera
from edgeunet.cli.choose import choose
from edgeunet.cli.data import app as data_app
from edgeunet.cli.doctor import doctor
from edgeunet.cli.export import app as export_app
from edgeunet.cli.foreign import import_
from edgeunet.cli.misplaced_address import require_no_address
from edgeunet.cli.models import evaluate, info, predict
from edgeunet.cli.train import train
from edgeunet.utils import console
from edgeunet.version import __version__

HELP_OPTIONS = ["-h", "--help"]
VERBS: dict[str, Any] = {  # as the help lists them
    "train": train,
    "evaluate": evaluate,
    "import": import_,
    "export": export_app,
    "choose": choose,
    "predict": predict,
    "camera": camera,
    "bench": bench_app,
    "fit": fit,
    "data": data_app,
    "info": info,
    "doctor": doctor,
}


class _Verbs(TyperGroup):
    """Typer lists all commands before all groups of commands; these stay in their order."""

    def list_commands(self, _: Any) -> list[str]:
        return list(VERBS)


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    context_settings={"help_option_names": HELP_OPTIONS},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for name, verb in VERBS.items():
    if isinstance(verb, typer.Typer):
        app.add_typer(verb, name=name)
    else:
        app.command(name)(verb)


def _version(*, wanted: bool) -> None:
    if wanted:
        console.stdout().print(f"edgeunet {__version__}")
        raise typer.Exit


@app.callback()
def edgeunet(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _version(wanted=wanted), is_eager=True, help="The version."),
    ] = False,
) -> None:
    """Train a compact U-Net, export it, run it behind a camera, and guard its latency.

    --debug, anywhere, shows the traceback of an error and what libraries print.
    """


def _with_plain_help(command: Any) -> Any:
    """The command, whose help names a flag alone, --force, not --force <bool>, and fits its lines to the terminal."""
    if command.help:
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.help))
    context = typer.Context(command, help_option_names=HELP_OPTIONS)
    for option in (*command.params, command.get_help_option(context)):
        if getattr(option, "is_flag", False):
            option.metavar = ""
    for verb in getattr(command, "commands", {}).values():
        _with_plain_help(verb)
    return command


def main() -> None:
    """The `edgeunet` command."""
    # Before torch is loaded: how long its threads spin while they wait for each other before they sleep. By default for
    # long, which costs much next to other busy programs. Measured with nano on 2 cores, images per second: 44 instead
    # of 39 on a quiet machine, 19 instead of 12 next to two busy programs.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    arguments = [a for a in sys.argv[1:] if a != "--debug"]

    def command() -> None:
        _with_plain_help(typer.main.get_command(app))(require_no_address(arguments))

    try:
        code: object = console.run(command, debug="--debug" in sys.argv)
    except SystemExit as ended:
        code = ended.code
    console.end(code)
