"""choice.json: what was tried, what was rejected and why, and the file that was kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from edgeunet.board.gpu import find_gpu
from edgeunet.board.machine import processor
from edgeunet.errors import GpuError, RecordError
from edgeunet.latency.record import require_utc
from edgeunet.utils.files import sha256
from edgeunet.utils.json_fields import NotNegative, Number, Share, read_json
from edgeunet.utils.redaction import shown_command_text
from edgeunet.version import __version__

SCHEMA = "edgeunet.choice/1"
FILE = "choice.json"
REMEDY = "choose again with `edgeunet choose`"
Outcome = Literal["first", "faster", "not surely faster", "undecided", "loses too much", "failed"]


@dataclass(frozen=True)
class Tried:
    """One file with one way to run it.

    outcome: "first" and "faster" were the best when they were tried; the last of them is the choice. "undecided": the
        time was too short, or the machine too busy, to tell.
    reason: for people. ms: median of a call. against: the best before it, times: how many times as fast as that it is,
    with the bounds of the guard.
    drop: of mIoU against the fp32 file, in points; agreement: share of the pixels with the same class.
    """

    name: str
    precision: str
    outcome: Outcome
    reason: str
    ms: NotNegative | None = None
    against: str = ""
    times: tuple[Number, Number, Number] | None = None  # estimate, low, high
    drop: Number | None = None
    agreement: Share | None = None


@dataclass(frozen=True)
class CostlyLayer:
    """A layer of an INT8 file that was not surely faster. share: of the file's time."""

    of: str
    name: str
    kind: str
    ms: NotNegative
    share: Share


@dataclass(frozen=True)
class Basis:
    """What a choice rests on: it holds as long as all of this is the same.

    source: SHA-256 of the model or checkpoint. options: by name, as typed. installed: versions, by package.
    """

    source: str
    options: Mapping[str, str]
    machine: str
    installed: Mapping[str, str]

    @classmethod
    def here(cls, source: Path, options: Mapping[str, str]) -> Basis:
        """Of this machine, as it is now."""
        machine = processor()
        with suppress(GpuError):
            gpu = find_gpu()
            machine += f"; {gpu.name} ({gpu.compute_capability}), CUDA {gpu.cuda}"
        return cls(sha256(source), dict(options), machine, _installed())

    def changed(self, now: Basis) -> str:
        """What differs now, for people; "" if nothing does."""
        if self.source != now.source:
            return "the model is another one"
        if self.machine != now.machine:
            return f"it was made on another machine ({self.machine})"
        if self.options != now.options:
            return "its options were others"
        versions = {**self.installed, **now.installed}
        names = [name for name in versions if self.installed.get(name) != now.installed.get(name)]
        return f"{names[0]} was {self.installed.get(names[0], 'missing')}" if names else ""


@dataclass(frozen=True)
class ChoiceRecord:
    """model: the kept file, next to this one. sha256: of it. p50_ms, p99_ms: of a call. created: UTC, ISO 8601."""

    model: str
    sha256: str
    name: str
    p50_ms: NotNegative
    p99_ms: NotNegative
    basis: Basis
    tried: tuple[Tried, ...]
    costly: tuple[CostlyLayer, ...]
    created: str
    command: str
    schema: str = field(default=SCHEMA)

    def __post_init__(self) -> None:
        require_utc(self.created, remedy=REMEDY)
        object.__setattr__(self, "command", shown_command_text(self.command))
        if Path(self.model).name != self.model:
            raise RecordError(f"a choice names a file next to it, got {self.model!r}: {REMEDY}")

    def to_dict(self) -> dict[str, Any]:
        """What is in the file."""
        return asdict(self)


def load_choice(path: Path) -> ChoiceRecord:
    """Raises RecordError if it is missing, damaged or of another version."""
    return read_json(path, ChoiceRecord, error=RecordError, what="a choice of edgeunet", remedy=REMEDY, schema=SCHEMA)


def _installed() -> dict[str, str]:
    found = {"edgeunet": __version__}
    for name in ("onnxruntime", "openvino", "tensorrt"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
