"""The file of a comparison: every sample and every judgement, so that the verdict can be computed again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from msgspec import Meta

from edgeunet.errors import RecordError
from edgeunet.latency.quantiles import MIN_MS
from edgeunet.latency.record import LARGEST, require_utc
from edgeunet.utils.files import write_json
from edgeunet.utils.json_fields import NotNegative, Share, Whole, read_json
from edgeunet.utils.limits import MAX_MS, SEED
from edgeunet.utils.redaction import shown_command_text
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict
from edgeunet_bench.guard.judging.samples import ProcessPair, Round
from edgeunet_bench.guard.running.arms import Arm

SCHEMA = "edgeunet.comparison/1"
REMEDY = "compare again with `edgeunet bench compare -o FILE`"
Time: TypeAlias = Annotated[float, Meta(ge=0.0, le=MAX_MS)]
Ratio: TypeAlias = Annotated[float, Meta(ge=1e-200, le=1e200)]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two arms that ran against each other.

    machine: the fingerprint of board.fingerprint. judgement: the last of looks, which holds.
    seed: of the order of turns and of the bootstrap; seconds: allowed. created: UTC, ISO 8601.
    partial: interrupted, which leaves it without a verdict.
    """

    a: Arm
    b: Arm
    machine: Mapping[str, str]
    judgement: Judgement
    looks: tuple[Judgement, ...]
    pairs: tuple[ProcessPair, ...]
    seed: int
    seconds: float
    created: str
    command: str
    partial: bool = False

    def __post_init__(self) -> None:
        require_utc(self.created, remedy=REMEDY)
        object.__setattr__(self, "command", shown_command_text(self.command))
        if not self.looks:
            raise RecordError(f"a comparison needs at least one judgement, got none: {REMEDY}")
        if len({len(pair.rounds) for pair in self.pairs}) > 1:
            raise RecordError(f"all pairs of a comparison must have the same number of rounds: {REMEDY}")
        for pair in self.pairs:
            for samples in (samples for r in pair.rounds for samples in vars(r).values()):
                if not ((samples >= 0) & (samples <= MAX_MS)).all():  # false for NaN
                    raise RecordError(f"samples are times from 0 to {MAX_MS:g} ms: {REMEDY}")
        if not math.isnan(self.judgement.ratio):
            self._require_figures()

    def _require_figures(self) -> None:
        """Raise RecordError unless there is all that a judgement with figures rests on."""
        figures = asdict(self.judgement)
        if unknown := [name for name in figures if name != "foreign" and figures[name] != figures[name]]:
            raise RecordError(f"the judgement has a ratio and no {unknown[0]}: {REMEDY}")
        rounds = [r for pair in self.pairs for r in pair.rounds]
        if not rounds or any(len(ms) == 0 or np.median(ms) < MIN_MS for r in rounds for ms in (r.a_ms, r.b_ms)):
            raise RecordError(f"the judgement has a ratio, and there are rounds without a time of A or B: {REMEDY}")

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, self.to_dict(), force=force)

    def to_dict(self) -> dict[str, Any]:
        """What is in the file; null where there was too little to compute a figure."""
        return {
            "schema": SCHEMA,
            "a": {"name": self.a.name, "facts": dict(self.a.facts)},
            "b": {"name": self.b.name, "facts": dict(self.b.facts)},
            "machine": dict(self.machine),
            "judgement": judgement_to_dict(self.judgement),
            "looks": [judgement_to_dict(look) for look in self.looks],
            "seed": self.seed,
            "seconds": self.seconds,
            "created": self.created,
            "command": self.command,
            "partial": self.partial,
            "pairs": [_pair_to_dict(pair) for pair in self.pairs],
        }

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        what = "a comparison"
        file = read_json(path, _Stored, error=RecordError, what=what, remedy=REMEDY, schema=SCHEMA, largest=LARGEST)
        try:
            return file.comparison()
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error


def judgement_to_dict(judgement: Judgement) -> dict[str, Any]:
    """Plain values; null where there was too little to compute one."""
    value = asdict(judgement) | {"verdict": judgement.verdict.name}
    return {name: None if field != field else field for name, field in value.items()}  # NaN is not JSON


def _pair_to_dict(pair: ProcessPair) -> dict[str, Any]:
    foreign = None if pair.foreign != pair.foreign else pair.foreign
    rounds = [{name: samples.tolist() for name, samples in vars(r).items()} for r in pair.rounds]
    return {"foreign": foreign, "throttled": pair.throttled, "rounds": rounds}


@dataclass(frozen=True)
class _Judgement:
    """A judgement as in the file: null where there was too little to compute a figure."""

    verdict: Literal["PASS", "REGRESSED", "INCONCLUSIVE", "INVALID", "REFUSED"]
    reason: str
    a_ms: Time | None
    b_ms: Time | None
    ratio: Ratio | None
    low: Ratio | None
    high: Ratio | None
    detectable: Ratio | None
    tail_a: Share | None
    tail_b: Share | None
    tail_p: Share | None
    tail_detectable: Share | None
    control_low: Ratio | None
    control_high: Ratio | None
    drift: NotNegative | None
    foreign: Share | None
    pairs: Whole
    rounds: Whole
    calls: Whole

    def judgement(self) -> Judgement:
        figures: dict[str, Any] = {name: math.nan if value is None else value for name, value in vars(self).items()}
        return Judgement(**(figures | {"verdict": Verdict[self.verdict]}))


@dataclass(frozen=True)
class _Pair:
    foreign: Share | None
    throttled: bool
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class _Stored:
    a: Arm
    b: Arm
    machine: Mapping[str, str]
    judgement: _Judgement
    looks: tuple[_Judgement, ...]
    pairs: tuple[_Pair, ...]
    seed: Annotated[int, Meta(ge=0, le=SEED)]
    seconds: Annotated[float, Meta(gt=0.0, le=1e300)]
    created: str
    command: str
    partial: bool

    def comparison(self) -> Comparison:
        pairs = (ProcessPair(p.rounds, math.nan if p.foreign is None else p.foreign, p.throttled) for p in self.pairs)
        looks = tuple(look.judgement() for look in self.looks)
        read = {"judgement": self.judgement.judgement(), "looks": looks, "pairs": tuple(pairs)}
        return Comparison(**(vars(self) | read))
