"""The arms of a comparison: what is run, and its facts in the record."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeunet.errors import UsageError, not_found
from edgeunet.latency.quantiles import Samples
from edgeunet.utils.files import sha256
from edgeunet.utils.redaction import shown_command_text
from edgeunet_bench.guard.judging.facts import OF_THE_BACKEND
from edgeunet_bench.guard.running.model_arm import ModelOptions
from edgeunet_bench.measure.run_command import run_command, words_of

RUN_TIMEOUT_S = 600.0
_IDENTITY = frozenset({"model", "SHA-256", "command", "timed"})


@dataclass(frozen=True)
class Arm:
    """A name and the facts of what ran, as a file holds them: passwords and tokens of a command are hidden."""

    name: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "command" in self.facts:
            object.__setattr__(self, "name", shown_command_text(self.name))
            object.__setattr__(self, "facts", {**self.facts, "command": shown_command_text(self.facts["command"])})

    @property
    def title(self) -> str:
        """The name, with the facts in which the arms differ; of those that come with another backend, its name."""
        known = _IDENTITY | OF_THE_BACKEND if "backend" in self.facts else _IDENTITY
        own = [f"{name} {fact}" for name, fact in self.facts.items() if name not in known]
        own = [self.facts["backend"], *own] if "backend" in self.facts else own
        return f"{self.name} ({', '.join(own)})" if own else self.name


@dataclass(frozen=True)
class TurnArm(Arm):
    """A process that is asked for turns (protocol.py): the arms alternate within milliseconds."""

    argv: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunArm(Arm):
    """A command that runs from start to end each time, and prints its latencies or is one (whole)."""

    command: str = ""
    whole: bool = False

    def run(self) -> Samples:
        """(n,) ms. Raises CommandError if it fails, takes too long or prints no latency."""
        return run_command(self.command, whole=self.whole, timeout_s=RUN_TIMEOUT_S)


def model_arm(options: ModelOptions) -> TurnArm:
    """An arm of a model file. Raises UsageError if it is not there."""
    path = Path(options.model)
    if not path.is_file():
        raise UsageError(f"{not_found(path, 'model file')}; `edgeunet export onnx` makes one")
    return TurnArm(path.name, {"model": path.name, "SHA-256": sha256(path)}, tuple(options.argv()))


def command_arm(command: str, *, turns: bool, whole: bool) -> TurnArm | RunArm:
    """An arm of a command. Raises UsageError for one that is empty."""
    words = words_of(command)
    name = shlex.join(words)
    if turns:
        return TurnArm(name, {"command": name}, tuple(words))
    return RunArm(name, {"command": name, "timed": "start to exit" if whole else "as printed"}, command, whole)
