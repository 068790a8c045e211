"""The latency record: what ran, where, how long every frame took, and what the machine reported meanwhile.

A file holds the raw samples. Quantiles stand in it for whoever reads it with other tools; loading
computes them again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.checked import moment, numbers, only, optional
from edgeunet.errors import RecordError
from edgeunet.files import write_json
from edgeunet.quantiles import Samples, Summary, summarize

SCHEMA = "edgeunet.latency/2"
TOTAL = "total"
"""The stage that is the whole call, measured by itself: the quantiles of parts do not add up to it."""


@dataclass(frozen=True)
class Subject:
    """What ran. Two records with different subjects may be compared.

    Of a command there is no model file: `model` is the command itself, and what only a file tells is empty or 0.
    """

    model: str  # file name
    model_sha256: str
    precision: str
    input_size: tuple[int, int]  # (height, width) in pixels
    size_bytes: int
    backend: str
    command: str  # that measured it
    commit: str = ""  # of the checkout, if it is one


@dataclass(frozen=True, eq=False)
class Telemetry:
    """What the machine reported beside a measurement.

    times_ms: (k,) since the first sample of latency; negative before it, while the machine was idle.
    values: (k,) each; a name ends in its unit: "cpu0_mhz", "gpu_c" (temperature), "VDD_IN_mw", "cpu_busy_percent",
    "process_mb"; "throttled" is 0 or 1, or by how much a counter of throttling grew. NaN where a sensor gave no answer.
    rails: the names in `values` whose sum is the power of the whole; none of them contains another.
    idle_mw: that sum before the first sample; None where it was not measured.
    cost: of sampling, as a share of one core.
    """

    times_ms: Samples
    values: Mapping[str, Samples]
    rails: tuple[str, ...]
    idle_mw: float | None
    cost: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.times_ms).all():
            raise RecordError("the telemetry holds a time that is no number: measure again")
        for name, values in self.values.items():
            if len(values) != len(self.times_ms):
                times = f"{len(self.times_ms)} times of telemetry"
                raise RecordError(f"{len(values)} values of {name} do not go with {times}: measure again")
            if np.isinf(values).any():
                raise RecordError(f"the telemetry of {name} holds a value that is no number: measure again")
        if unknown := set(self.rails) - set(self.values):
            raise RecordError(f"the telemetry has no values of the rail {min(unknown)}: measure again")
        if not all(math.isfinite(v) and v >= 0 for v in (self.cost, self.idle_mw or 0.0)):
            got = f"{self.cost} and {self.idle_mw}"
            raise RecordError(f"the telemetry's cost and idle power are numbers from 0 on, got {got}: measure again")

    @property
    def throttled(self) -> bool:
        """Whether the machine slowed itself down at any time."""
        return bool((self.values.get("throttled", np.zeros(0)) > 0).any())

    @property
    def hz(self) -> float:
        """Samples a second; NaN with fewer than two."""
        if len(self.times_ms) < 2:
            return math.nan
        return float((len(self.times_ms) - 1) * 1000 / (self.times_ms[-1] - self.times_ms[0]))

    def to_dict(self) -> dict[str, Any]:
        """What stands in the file; JSON has no NaN, so it is null."""
        values = {k: [None if math.isnan(v) else v for v in vs.tolist()] for k, vs in self.values.items()}
        return {
            "times_ms": self.times_ms.tolist(),
            "values": values,
            "rails": list(self.rails),
            "idle_mw": self.idle_mw,
            "cost": self.cost,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Telemetry:
        """What to_dict gave."""
        return cls(
            times_ms=numbers(value["times_ms"]),
            values={str(name): numbers(values) for name, values in value["values"].items()},
            rails=tuple(str(rail) for rail in value["rails"]),
            idle_mw=optional(value["idle_mw"]),
            cost=float(value["cost"]),
        )


@dataclass(frozen=True, eq=False)
class LatencyRecord:
    """One measurement.

    machine: the fingerprint of board.fingerprint; it must match for a comparison.
    frames: what the model was shown; it must match too.
    mode: "single" is one frame after another, the next one when the last is done (closed loop); "paced" a frame at
    every tick of a schedule, and its latency counts from the tick, whether or not the model was free (open loop);
    "soak" either of them for long; "cold" the way of fresh processes to their first mask, a sample each; "camera" and
    "file" come of `edgeunet camera`.
    created: UTC, ISO 8601.
    warmup_frames: calls before the first sample; warmup_settled: whether their median had come to rest.
    partial: the measurement was interrupted.
    starts_ms: (n,) when each sample began, since the first one; with a schedule, when it was due.
    samples_ms: (n,) durations of each stage and of the whole call (TOTAL). Nothing is left out.
    period_ms: of the schedule; None in a closed loop.
    deadline_ms: what a sample should not take longer than, if anything.
    dropped: frames that came and were never run, because a newer one had come; None where none is dropped.
    others_ms: measured beside and no part of the total, by what it is; any number of samples each.
    telemetry: None where the system offers none.
    """

    subject: Subject
    machine: Mapping[str, str]
    frames: str
    mode: str
    created: str
    warmup_frames: int
    warmup_settled: bool
    partial: bool
    starts_ms: Samples
    samples_ms: Mapping[str, Samples]
    period_ms: float | None = None
    deadline_ms: float | None = None
    dropped: int | None = None
    others_ms: Mapping[str, Samples] = field(default_factory=dict)
    telemetry: Telemetry | None = None

    def __post_init__(self) -> None:
        total = self.samples_ms.get(TOTAL)
        if total is None or len(total) == 0:
            raise RecordError("a latency record needs samples, got none: measure again with `edgeunet bench run`")
        for name, times in {"starts": self.starts_ms, **self.samples_ms}.items():
            if len(times) != len(total):
                raise RecordError(
                    f"{len(times)} samples of {name} do not go with {len(total)} of {TOTAL}: measure again"
                )
        for name, times in {"starts": self.starts_ms, **self.samples_ms, **self.others_ms}.items():
            if len(times) == 0:
                raise RecordError(f"there are no samples of {name}: measure again")
            if not np.isfinite(times).all() or (times < 0).any():
                raise RecordError(f"the samples of {name} hold a time that is negative or no number: measure again")
        for name, value in (("period", self.period_ms), ("deadline", self.deadline_ms)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise RecordError(f"a {name} is above 0 ms, got {value}: measure again")
        if self.dropped is not None and self.dropped < 0:
            raise RecordError(f"frames dropped are 0 or more, got {self.dropped}: measure again")

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in the order in which they run, without the total."""
        return tuple(name for name in self.samples_ms if name != TOTAL)

    def summary(self, stage: str = TOTAL) -> Summary:
        return summarize(self.samples_ms[stage])

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, self.to_dict(), force=force)

    def to_dict(self) -> dict[str, Any]:
        """What stands in the file."""
        return {
            "schema": SCHEMA,
            "subject": asdict(self.subject),
            "machine": dict(self.machine),
            "frames": self.frames,
            "mode": self.mode,
            "created": self.created,
            "warmup_frames": self.warmup_frames,
            "warmup_settled": self.warmup_settled,
            "partial": self.partial,
            "period_ms": self.period_ms,
            "deadline_ms": self.deadline_ms,
            "dropped": self.dropped,
            "summary_ms": {stage: asdict(self.summary(stage)) for stage in self.samples_ms},
            "starts_ms": self.starts_ms.tolist(),
            "samples_ms": {stage: times.tolist() for stage, times in self.samples_ms.items()},
            "others_ms": {name: times.tolist() for name, times in self.others_ms.items()},
            "telemetry": None if self.telemetry is None else self.telemetry.to_dict(),
        }

    @classmethod
    def load(cls, path: str | Path) -> LatencyRecord:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        value = read_versioned_json(path, SCHEMA, remedy="measure again with `edgeunet bench run`")
        try:
            telemetry = value["telemetry"]
            return cls(
                subject=_subject(value["subject"]),
                machine={name: only(str, fact) for name, fact in value["machine"].items()},
                frames=only(str, value["frames"]),
                mode=only(str, value["mode"]),
                created=moment(value["created"]),
                warmup_frames=only(int, value["warmup_frames"]),
                warmup_settled=only(bool, value["warmup_settled"]),
                partial=only(bool, value["partial"]),
                starts_ms=numbers(value["starts_ms"]),
                samples_ms={str(stage): numbers(times) for stage, times in value["samples_ms"].items()},
                period_ms=optional(value["period_ms"]),
                deadline_ms=optional(value["deadline_ms"]),
                dropped=None if value["dropped"] is None else only(int, value["dropped"]),
                others_ms={str(name): numbers(times) for name, times in value["others_ms"].items()},
                telemetry=None if telemetry is None else Telemetry.from_dict(telemetry),
            )
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error
        except KeyError as error:
            raise RecordError(f"{path} lacks the field {error}: measure again with `edgeunet bench run`") from error
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise RecordError(f"{path} is a damaged latency record ({error}): measure again") from error


def read_versioned_json(path: str | Path, schema: str, *older: str, remedy: str) -> dict[str, Any]:
    """A JSON object whose field "schema" is `schema` or an `older` one that the caller still understands.

    Raises RecordError, ending in `remedy`, for anything else.

    Numbers that are none (NaN, Infinity), which Python's parser lets through, are refused.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordError(f"{path}: no such file; {remedy}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is no complete JSON file ({error}): {remedy}") from error
    if not isinstance(value, dict) or "schema" not in value:
        raise RecordError(f'{path} is no file of schema "{schema}": {remedy}')
    if value["schema"] not in (schema, *older):
        raise RecordError(f'{path} has the schema "{value["schema"]}", expected "{schema}": {remedy}')
    return value


def _subject(value: Mapping[str, Any]) -> Subject:
    facts = dict(value)
    height, width = (only(int, number) for number in facts.pop("input_size"))
    size_bytes = only(int, facts.pop("size_bytes"))
    texts = {name: only(str, fact) for name, fact in facts.items()}
    return Subject(**texts, input_size=(height, width), size_bytes=size_bytes)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no time")
