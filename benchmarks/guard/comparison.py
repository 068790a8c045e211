"""The file of a comparison: every sample and every judgement, so that anybody can judge again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.guard.arms import Arm
from benchmarks.guard.judge import Judgement, Verdict
from benchmarks.guard.samples import Pair, Round
from edgeunet.checked import moment
from edgeunet.errors import RecordError
from edgeunet.files import write_json
from edgeunet.quantiles import Samples
from edgeunet.record import read_versioned_json

SCHEMA = "edgeunet.comparison/1"
REMEDY = "compare again with `edgeunet bench compare -o FILE`"


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
    pairs: tuple[Pair, ...]
    seed: int
    seconds: float
    created: str
    command: str
    partial: bool = False

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, self.to_dict(), force=force)

    def to_dict(self) -> dict[str, Any]:
        """What stands in the file; null where there was too little to compute a figure."""
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
        value = read_versioned_json(path, SCHEMA, remedy=REMEDY)
        try:
            looks = tuple(_judgement(look) for look in value["looks"])
            return cls(
                a=_arm(value["a"]),
                b=_arm(value["b"]),
                machine={str(k): str(v) for k, v in value["machine"].items()},
                judgement=_judgement(value["judgement"]),
                looks=looks,
                pairs=tuple(_pair(pair) for pair in value["pairs"]),
                seed=int(value["seed"]),
                seconds=float(value["seconds"]),
                created=moment(value["created"]),
                command=str(value["command"]),
                partial=bool(value["partial"]),
            )
        except KeyError as error:
            raise RecordError(f"{path} lacks the field {error}: {REMEDY}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordError(f"{path} is a damaged comparison ({error}): {REMEDY}") from error


def judgement_to_dict(judgement: Judgement) -> dict[str, Any]:
    """Plain values; null where there was too little to compute one."""
    value = asdict(judgement) | {"verdict": judgement.verdict.name}
    return {name: None if field != field else field for name, field in value.items()}  # NaN is not JSON


def _judgement(value: Mapping[str, Any]) -> Judgement:
    known: dict[str, Any] = {field.name: value[field.name] for field in fields(Judgement)}
    known = {name: float("nan") if field is None else field for name, field in known.items()}
    known["verdict"] = Verdict[known["verdict"]]
    return Judgement(**known)


def _arm(value: Mapping[str, Any]) -> Arm:
    return Arm(str(value["name"]), {str(k): str(v) for k, v in value["facts"].items()})


def _pair_to_dict(pair: Pair) -> dict[str, Any]:
    foreign = None if pair.foreign != pair.foreign else pair.foreign
    rounds = [{name: samples.tolist() for name, samples in vars(r).items()} for r in pair.rounds]
    return {"foreign": foreign, "throttled": pair.throttled, "rounds": rounds}


def _pair(value: Mapping[str, Any]) -> Pair:
    foreign = float("nan") if value["foreign"] is None else float(value["foreign"])
    rounds = tuple(Round(**{f.name: _samples(r[f.name]) for f in fields(Round)}) for r in value["rounds"])
    return Pair(rounds, foreign, bool(value["throttled"]))


def _samples(values: Any) -> Samples:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError("samples are a list of times that are finite and not negative")
    return array
