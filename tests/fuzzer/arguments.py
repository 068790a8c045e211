"""Valid command lines with one argument that is wrong or odd; the options are those that the commands have."""

from __future__ import annotations

import random
import shlex
from typing import Any

import typer

from edgeunet import cli
from tests.fuzzer.kinds import KINDS

VALUES = (
    *("", " ", "0", "-1", "-0", "1", "3", "1.5", "1e400", "nan", "inf", "-inf", "9" * 20, "9" * 5000, "-" + "9" * 5000),
    *("²", "٣", "½", "0x10", "1,2", "1_0", "+1", "1\n", "True", "None", "a", "a b", "x" * 10_000, "🙂", "\udcff"),
    *("[/x]", "{0}", "%s", "-", "--", "$(id)", "256x320", "0x0", "1x1", "-1x5", "²x²", "99999999x9", "127.0.0.1:0"),
    *("in", "in/dataset", "in/photo.jpg", "in/nothing", "out/new", "x=y", "synthetic://?fps=-1", "csi://²", "gst:"),
)  # fmt: skip
_LONG = {"--compile", "--minutes", "--time-budget", "--show"}
"""Options that make an ordinary run last long, or need a screen."""
_COMMANDS = tuple(sorted({command for kind in KINDS.values() for command in kind.commands}))


def odd_arguments(rng: random.Random) -> list[str]:
    """A command whose files are all valid, with one word replaced, left out, or an option of the command added."""
    line = rng.choice(_COMMANDS).format(file=rng.choice(("in/model.onnx", "in/checkpoint.pt", "in/record.json")))
    words = shlex.split(line)
    at = rng.randrange(1, len(words))
    match rng.randrange(4):
        case 0:
            words[at] = rng.choice(VALUES)
        case 1:
            del words[at]
        case _:
            option = rng.choice(options_of(words))
            words += [option] if rng.random() < 0.1 else [option, rng.choice(VALUES)]
    return [word.replace("\x00", "") for word in words]


def options_of(words: list[str]) -> list[str]:
    """The options of the command that begins so."""
    command: Any = typer.main.get_command(cli.app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    names = {max(parameter.opts, key=len) for parameter in command.params}
    return sorted(name for name in names - _LONG if name.startswith("--"))
