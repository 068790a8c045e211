"""The latency record: what ran, where, how long every frame took, and what the machine reported meanwhile.

A file holds the raw samples. It has quantiles too, for other tools; loading computes them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from msgspec import Meta

from edgeunet.errors import RecordError
from edgeunet.latency.quantiles import Samples, Summary, summarize
from edgeunet.utils.files import write_json
from edgeunet.utils.json_fields import Whole, read_json
from edgeunet.utils.limits import MAX_MS, SIDE
from edgeunet.utils.redaction import shown_command_text

SCHEMA = "edgeunet.latency/2"
REMEDY = "measure again with `edgeunet bench run`"
TOTAL = "total"
"""The stage that is the whole call, measured by itself: the quantiles of parts do not add up to it."""
LARGEST = 512 << 20  # bytes of a file of measurements: a million samples with their stages are about 150 MB
MAX_READING = 1e12
"""The largest value of a sensor; a larger one is an error."""
Duration: TypeAlias = Annotated[float, Meta(ge=1e-6, le=MAX_MS)]  # ms, above 0
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Pixels: TypeAlias = Annotated[int, Meta(ge=0, le=SIDE)]


@dataclass(frozen=True)
class RunMetadata:
    """What ran. Two records with different run metadata may be compared.

    A command has no model file: `model` is the command itself, and the facts of a file are empty or 0.
    Passwords and tokens in a command are hidden, also those in a record of a version that kept them.
    """

    model: str  # file name
    model_sha256: str
    precision: str
    input_size: tuple[Pixels, Pixels]  # (height, width)
    size_bytes: Whole
    backend: str
    command: str  # that measured it
    commit: str = ""  # of the checkout, if it is one

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", shown_command_text(self.command))
        if not self.model_sha256:
            object.__setattr__(self, "model", shown_command_text(self.model))


@dataclass(frozen=True, eq=False)
class Telemetry:
    """What the machine reported during a measurement.

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
        if not np.isfinite(self.times_ms).all() or (np.diff(self.times_ms) < 0).any():
            raise RecordError(f"the times of the telemetry must be numbers in ascending order: {REMEDY}")
        for name, values in self.values.items():
            if len(values) != len(self.times_ms):
                got = f"{name} has {len(values)} values, the telemetry {len(self.times_ms)} times"
                raise RecordError(f"{got}: {REMEDY}")
        if (np.abs(self.times_ms) > MAX_READING).any():
            raise RecordError(f"the times of the telemetry must be up to {MAX_READING:g} ms: {REMEDY}")
        answers = {name: np.where(np.abs(v) > MAX_READING, math.nan, v) for name, v in self.values.items()}
        object.__setattr__(self, "values", answers)
        if unknown := set(self.rails) - set(self.values):
            raise RecordError(f"the telemetry has no values of the rail {min(unknown)}: {REMEDY}")
        for name, value in (("cost", self.cost), ("idle power", self.idle_mw or 0.0)):
            if not 0 <= value <= MAX_READING:
                raise RecordError(f"the telemetry's {name} must be from 0 to {MAX_READING:g}, got {value}: {REMEDY}")

    @property
    def throttled(self) -> bool:
        """Whether the machine throttled at any time."""
        return bool((self.values.get("throttled", np.zeros(0)) > 0).any())

    @property
    def hz(self) -> float:
        """Samples per second; NaN where there are no two at different times."""
        span_ms = float(self.times_ms[-1] - self.times_ms[0]) if len(self.times_ms) else 0.0
        return (len(self.times_ms) - 1) * 1000 / span_ms if span_ms > 0 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """What is in the file; JSON has no NaN, so it is null."""
        values = {k: [None if math.isnan(v) else v for v in vs.tolist()] for k, vs in self.values.items()}
        return {
            "times_ms": self.times_ms.tolist(),
            "values": values,
            "rails": list(self.rails),
            "idle_mw": self.idle_mw,
            "cost": self.cost,
        }


@dataclass(frozen=True, eq=False)
class LatencyRecord:
    """One measurement.

    machine: the fingerprint of board.fingerprint; it must match for a comparison.
    frames: what the model was shown; it must match too.
    mode: "single" is one frame after another, the next one when the last is done (closed loop); "paced" a frame at
    every tick of a schedule, and its latency counts from the tick, whether or not the model was free (open loop);
    "soak" either of them for long; "cold" the time from the start of a fresh process to its first mask, one sample
    each; "camera" and "file" come from `edgeunet camera`.
    created: UTC, ISO 8601.
    warmup_frames: calls before the first sample; warmup_settled: whether their median had settled.
    partial: the measurement was interrupted.
    starts_ms: (n,) when each sample began, since the first one; with a schedule, when it was due.
    samples_ms: (n,) durations of each stage and of the whole call (TOTAL). Nothing is left out.
    period_ms: of the schedule; None in a closed loop.
    deadline_ms: the longest time that a sample should take, if there is one.
    dropped: frames that came and were never run, because a newer one had come; None where none is dropped.
    others_ms: measured in addition to the total, by name; any number of samples each.
    sources: where frames come from, as they may be shown, and source_of: (n,) the place in `sources` of the one that
    each sample is of; dropped_of: of `dropped`, how many are of each source, where that is known. Empty where there is
    one source, or none that has a name.
    states: of a camera's masks, by the name of the source: the share in each state, 0 to 1, see docs/trust.md.
    telemetry: None where the system offers none.
    """

    subject: RunMetadata
    machine: Mapping[str, str]
    frames: str
    mode: str
    created: str
    warmup_frames: Whole
    warmup_settled: bool
    partial: bool
    starts_ms: Samples
    samples_ms: Mapping[str, Samples]
    period_ms: Duration | None = None
    deadline_ms: Duration | None = None
    dropped: Whole | None = None
    others_ms: Mapping[str, Samples] = field(default_factory=dict)
    telemetry: Telemetry | None = None
    sources: tuple[str, ...] = ()
    source_of: tuple[Whole, ...] = ()
    states: Mapping[str, Mapping[str, Share]] = field(default_factory=dict)
    dropped_of: tuple[Whole, ...] = ()

    def __post_init__(self) -> None:
        require_utc(self.created)
        if (total := self.samples_ms.get(TOTAL)) is None:
            raise RecordError(f"there are no samples of {TOTAL}: {REMEDY}")
        counts = {name: len(times) for name, times in {"starts": self.starts_ms, **self.samples_ms}.items()}
        if self.sources:
            counts["source_of"] = len(self.source_of)
        for name, count in counts.items():
            if count != len(total):
                raise RecordError(f"{name} has {count} samples, {TOTAL} has {len(total)}: {REMEDY}")
        for name, times in {"starts": self.starts_ms, **self.samples_ms, **self.others_ms}.items():
            require_times(name, times, most=MAX_READING if name == "starts" else MAX_MS)
        for name, value in (("period", self.period_ms), ("deadline", self.deadline_ms)):
            if value is not None and not 0 < value <= MAX_MS:
                raise RecordError(f"a {name} is above 0 and at most {MAX_MS:g} ms, got {value}: {REMEDY}")
        if self.dropped is not None and self.dropped < 0:
            raise RecordError(f"the number of dropped frames is 0 or more, got {self.dropped}: {REMEDY}")
        if len(set(self.sources)) < len(self.sources) or max(self.source_of, default=-1) >= len(self.sources):
            raise RecordError(f"the samples name a source that is not listed, or that is listed twice: {REMEDY}")
        if self.dropped_of and (len(self.dropped_of), sum(self.dropped_of)) != (len(self.sources), self.dropped):
            raise RecordError(f"the dropped frames of the sources are not those of the record: {REMEDY}")

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in the order in which they run, without the total."""
        return tuple(name for name in self.samples_ms if name != TOTAL)

    def summary(self, stage: str = TOTAL) -> Summary:
        return summarize(self.samples_ms[stage])

    def by_source(self) -> Iterator[LatencyRecord]:
        """A record for each source with a sample, since one is not as fast as another; itself where there is one."""
        which = np.array(self.source_of, np.intp)
        found = [(place, name) for place, name in enumerate(self.sources) if (which == place).any()]
        if len(found) < 2:
            yield self
            return
        for place, name in found:
            of = which == place
            samples = {stage: times[of] for stage, times in self.samples_ms.items()}
            changes = {"starts_ms": self.starts_ms[of], "samples_ms": samples, "others_ms": {}}
            dropped = self.dropped_of[place] if self.dropped_of else None
            states = {name: self.states[name]} if name in self.states else {}
            yield replace(
                self, frames=name, sources=(), source_of=(), dropped=dropped, dropped_of=(), states=states, **changes
            )

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, self.to_dict(), force=force)

    def to_dict(self) -> dict[str, Any]:
        """What is in the file."""
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
            "sources": list(self.sources),
            "source_of": list(self.source_of),
            **({"dropped_of": list(self.dropped_of)} if self.dropped_of else {}),
            **({"states": {name: dict(shares) for name, shares in self.states.items()}} if self.states else {}),
        }

    @classmethod
    def load(cls, path: str | Path) -> LatencyRecord:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        what = "a latency record"
        return read_json(path, cls, error=RecordError, what=what, remedy=REMEDY, schema=SCHEMA, largest=LARGEST)


def require_times(name: str, times: Samples, *, most: float = MAX_MS, remedy: str = REMEDY) -> None:
    """Raise RecordError unless there are times, (n,) in ms, each from 0 to `most`."""
    if len(times) == 0:
        raise RecordError(f"there are no samples of {name}: {remedy}")
    if not ((times >= 0) & (times <= most)).all():  # false for NaN
        raise RecordError(f"the samples of {name} must be times from 0 to {most:g} ms: {remedy}")


def require_utc(created: str, *, remedy: str = REMEDY) -> None:
    """Raise RecordError unless it is a time with its zone, as ISO 8601 writes it, from 1970 (no clock) on."""
    try:
        when = datetime.fromisoformat(created)
        if when.tzinfo is None or not 1970 <= when.astimezone(timezone.utc).year < 3000:
            raise ValueError
    except (ValueError, OverflowError):
        raise RecordError(
            f"created is {created[:40]!r}, expected a time in UTC as ISO 8601 writes it: {remedy}"
        ) from None
