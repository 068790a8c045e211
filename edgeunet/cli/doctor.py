"""`edgeunet doctor`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.common_options import Json
from edgeunet.utils import console


def doctor(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Model files (.onnx or .engine) to check: do they run on this machine?")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check this machine: what works, what is missing or badly set, and the command that fixes it.

    Each line is ok, warning (something does not work, or not well) or wrong (exit code 1).

    Example: edgeunet doctor model.engine
    """
    from edgeunet.doctor import check_cameras, check_files, examine

    checks = [*examine(), *check_cameras()]
    if files:
        checks += check_files(files, checks)
    if as_json:
        console.print_json([vars(check) for check in checks])
    else:
        console.print_checks(checks)
    if any(check.state == "wrong" for check in checks):
        raise typer.Exit(1)
