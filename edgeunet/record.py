"""The latency record: what ran, where, how long every frame took, and what its quantiles are worth.

A file holds the raw samples. Quantiles stand in it for whoever reads it with other tools; loading
computes them again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import RecordError
from edgeunet.files import write_json

SCHEMA = "edgeunet.latency/1"
TOTAL = "total"
"""The stage that is the whole call, measured by itself: the quantiles of parts do not add up to it."""
CONFIDENCE = 0.99
"""Of each bound of a quantile by itself; both hold together with 98 %."""

Samples = NDArray[np.float64]  # (n,) ms


@dataclass(frozen=True)
class Quantile:
    """A quantile of the samples: the smallest sample that at least `p` of all do not exceed."""

    p: float
    value: float  # ms
    interval: tuple[float, float] | None  # ms; None where there are too few samples for it

    @property
    def name(self) -> str:
        """p50, p99.9 and so on."""
        return f"p{self.p * 100:g}"


@dataclass(frozen=True)
class Summary:
    """What n samples amount to, in ms. The maximum is the maximum observed, no bound."""

    n: int
    min: float
    mean: float
    max: float
    p50: Quantile
    p90: Quantile
    p99: Quantile
    p999: Quantile

    @property
    def quantiles(self) -> tuple[Quantile, ...]:
        return (self.p50, self.p90, self.p99, self.p999)


@dataclass(frozen=True)
class Subject:
    """What ran. Two records with different subjects may be compared."""

    model: str  # file name
    model_sha256: str
    precision: str
    input_size: tuple[int, int]  # (height, width) in pixels
    size_bytes: int
    backend: str
    command: str
    commit: str = ""  # of the checkout, if it is one


@dataclass(frozen=True, eq=False)
class LatencyRecord:
    """One measurement.

    machine: the fingerprint of board.fingerprint; it must match for a comparison.
    frames: what the model was shown; it must match too.
    mode: "single" is one frame after another, the next one when the last is done (closed loop).
    created: UTC, ISO 8601.
    warmup_frames: calls before the first sample; warmup_settled: whether their median had come to rest.
    partial: the measurement was interrupted.
    starts_ms: (n,) when each sample began, since the first one.
    samples_ms: (n,) durations of each stage and of the whole call (TOTAL). Nothing is left out.
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

    def __post_init__(self) -> None:
        total = self.samples_ms.get(TOTAL)
        if total is None or len(total) == 0:
            raise RecordError("a latency record needs samples, got none: measure again with `edgeunet bench run`")
        for name, times in {"starts": self.starts_ms, **self.samples_ms}.items():
            if len(times) != len(total):
                raise RecordError(
                    f"{len(times)} samples of {name} do not go with {len(total)} of {TOTAL}: measure again"
                )
            if not np.isfinite(times).all() or (times < 0).any():
                raise RecordError(f"the samples of {name} hold a time that is negative or no number: measure again")

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
            "summary_ms": {stage: asdict(self.summary(stage)) for stage in self.samples_ms},
            "starts_ms": self.starts_ms.tolist(),
            "samples_ms": {stage: times.tolist() for stage, times in self.samples_ms.items()},
        }

    @classmethod
    def load(cls, path: str | Path) -> LatencyRecord:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        value = read_versioned_json(path, SCHEMA, remedy="measure again with `edgeunet bench run`")
        try:
            subject = dict(value["subject"])
            height, width = subject.pop("input_size")
            return cls(
                subject=Subject(**subject, input_size=(int(height), int(width))),
                machine={str(k): str(v) for k, v in value["machine"].items()},
                frames=str(value["frames"]),
                mode=str(value["mode"]),
                created=str(value["created"]),
                warmup_frames=int(value["warmup_frames"]),
                warmup_settled=bool(value["warmup_settled"]),
                partial=bool(value["partial"]),
                starts_ms=_samples(value["starts_ms"]),
                samples_ms={str(stage): _samples(times) for stage, times in value["samples_ms"].items()},
            )
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error
        except KeyError as error:
            raise RecordError(f"{path} lacks the field {error}: measure again with `edgeunet bench run`") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordError(f"{path} is a damaged latency record ({error}): measure again") from error


def read_versioned_json(path: str | Path, schema: str, *, remedy: str) -> dict[str, Any]:
    """A JSON object whose field "schema" is `schema`; raises RecordError, ending in `remedy`, for anything else.

    Numbers that are none (NaN, Infinity), which Python's parser lets through, are refused.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordError(f"{path}: no such file; {remedy}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise RecordError(f"{path} is no complete JSON file ({error}): {remedy}") from error
    if not isinstance(value, dict) or "schema" not in value:
        raise RecordError(f'{path} is no file of schema "{schema}": {remedy}')
    if value["schema"] != schema:
        raise RecordError(f'{path} has the schema "{value["schema"]}", expected "{schema}": {remedy}')
    return value


def summarize(samples: Samples) -> Summary:
    """Quantiles of the samples, (n,) in ms and n at least 1, with exact intervals."""
    ordered = np.sort(samples)
    p50, p90, p99, p999 = (_quantile(ordered, p) for p in (0.5, 0.9, 0.99, 0.999))
    n, mean = len(ordered), float(ordered.mean())
    return Summary(n, float(ordered[0]), mean, float(ordered[-1]), p50, p90, p99, p999)


def samples_needed(p: float) -> int:
    """The fewest samples from which quantile `p`, 0.5 or above, has an upper bound: 459 for p99."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(p))


def _quantile(ordered: Samples, p: float) -> Quantile:
    """The quantile with bounds that are samples themselves, valid for any distribution.

    The number of samples below the true quantile is binomial (n, p): Conover, Practical
    Nonparametric Statistics, 3rd edition, section 3.2; the same choice of ranks as scipy.stats.quantile_test.
    """
    n = len(ordered)
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_pmf = log_factorial[n] - log_factorial - log_factorial[::-1] + k * math.log(p) + (n - k) * math.log1p(-p)
    pmf = np.exp(log_pmf)
    at_most = np.cumsum(pmf)
    more_than = np.append(np.cumsum(pmf[::-1])[::-1][1:], 0.0)
    low = int(np.argmax(at_most >= 1 - CONFIDENCE)) - 1
    high = int(np.argmax(more_than <= 1 - CONFIDENCE))
    value = float(ordered[math.ceil(n * p - 1e-9) - 1])  # 0.07 * 100 is a little above 7 in floating point
    return Quantile(p, value, (float(ordered[low]), float(ordered[high])) if low >= 0 and high < n else None)


def _samples(values: Any) -> Samples:
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise ValueError("samples are a list of numbers")
    return array


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no time")
