"""What `edgeunet bench run` prints about a record in addition to its tables: text for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from edgeunet.latency.analysis import Analysis
from edgeunet.latency.drift import Drift
from edgeunet.latency.quantiles import samples_needed, summarize
from edgeunet_bench.render.tables import bounded, change, milliseconds, share


def to_json(found: Analysis) -> dict[str, Any]:
    """What is in the file without the samples, and what is computed from them."""
    record, kept, drift, energy = found.record, found.deadlines, found.drift, found.energy
    value = record.to_dict()
    for raw in ("samples_ms", "starts_ms", "others_ms", "telemetry"):
        del value[raw]
    return {
        **value,
        "others_summary_ms": {name: asdict(summarize(times)) for name, times in record.others_ms.items()},
        "deadlines": None if kept is None else {**asdict(kept), "share": kept.share},
        "jitter_ms": None if found.jitter is None else asdict(found.jitter),
        "drift": None if drift is None else {**asdict(drift), "change": drift.change},
        "energy_mj": {kind: getattr(energy, f"{kind}_mj", None) for kind in ("gross", "idle", "net")},
        "throttled": None if record.telemetry is None else record.telemetry.throttled,
    }


def lines(found: Analysis) -> Iterator[str]:
    """A line for each fact of this record that the tables do not show."""
    record = found.record
    if (kept := found.deadlines) is not None:
        yield (
            f"deadline {milliseconds(kept.deadline_ms)} ms: {kept.misses} of {kept.n} missed ({share(kept.share)}), "
            f"at most {share(kept.upper_95)} with 95 % and {share(kept.upper_99)} with 99 % confidence; "
            f"longest streak {kept.longest_streak}"
        )
    if (jitter := found.jitter) is not None:
        yield (
            f"jitter in ms: p50 {bounded(jitter.p50)}, p99 {bounded(jitter.p99)}, "
            f"maximum observed {milliseconds(jitter.max)}"
        )
    for name, times in record.others_ms.items():
        summary = summarize(times)
        yield f"{name} in ms: p50 {bounded(summary.p50)}, maximum observed {milliseconds(summary.max)}"
    if record.mode == "soak":
        yield _drift(found.drift)
    if (energy := found.energy) is not None and record.telemetry is not None:
        net = energy.net_mj
        above = "idle power not measured" if net is None else f"{net:.1f} mJ above the idle machine"
        rails = " + ".join(rail.removesuffix("_mw") for rail in record.telemetry.rails)
        yield f"energy of a frame: {energy.gross_mj:.1f} mJ, {above} ({rails} at {record.telemetry.hz:.0f} Hz)"
    if record.mode == "cold":
        yield "the page cache was warm: the first start after a reboot takes longer"


def _drift(found: Drift | None) -> str:
    if found is None:
        return f"drift: insufficient (a tenth of the time needs {samples_needed(0.5)} samples)"
    moved = f"{change(1 + found.change)}{'' if found.clear else ', within chance'}"
    first, last = bounded(found.first), bounded(found.last)
    parts = [f"drift: median {first} ms in the first tenth, {last} in the last ({moved})"]
    if found.memory_mb is not None:
        parts.append(f"memory of the process {found.memory_mb:+.1f} MB, its samples take {found.own_mb:.1f} MB")
    if found.warmest_c is not None:
        sensor, before, after = found.warmest_c
        parts.append(f"{sensor.removesuffix('_c')} {before:.1f} → {after:.1f} °C")
    return "; ".join(parts)
