"""The report: one HTML file with tables and plots, that opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.report import plots
from benchmarks.report.scores import Scores
from benchmarks.report.tables import class_table, facts_table, stage_table, summary_table
from edgeunet import __version__
from edgeunet.errors import RecordError
from edgeunet.files import replacing
from edgeunet.parts import missing
from edgeunet.record import CONFIDENCE, LatencyRecord

TEMPLATES = Path(__file__).parent / "templates"


def by_model(scores: Iterable[Scores]) -> dict[str, Scores]:
    """Scores by the hash of their model; raises RecordError if one model has two."""
    found: dict[str, Scores] = {}
    for s in scores:
        if s.model_sha256 in found:
            raise RecordError(f"two scores files are of {s.model}: give one for each model")
        found[s.model_sha256] = s
    return found


def write_report(
    path: str | Path, records: Sequence[LatencyRecord], scores: Mapping[str, Scores], *, force: bool
) -> None:
    """Write the report of at least one record; scores: by model_sha256, for those models that have them.

    Raises OutputError if `path` exists and `force` is false, RecordError for scores of no record's model.
    """
    models = {record.subject.model_sha256 for record in records}
    for sha256, s in scores.items():
        if sha256 not in models:
            raise RecordError(
                f"the scores of {s.model} belong to none of the records (model hash {sha256[:12]}): "
                "evaluate the same file that was measured"
            )
    with replacing(path, force=force) as temporary:
        temporary.write_text(_render(records, scores), encoding="utf-8")


def _render(records: Sequence[LatencyRecord], scores: Mapping[str, Scores]) -> str:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise missing("jinja2") from error
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    names = _names(records)
    return environment.get_template("report.html.j2").render(
        version=__version__,
        confidence=f"{CONFIDENCE * 100:g} %",
        measured=max(record.created for record in records),
        summary=summary_table(records, scores),
        sections=[(name, stage_table(r, bounds=r.samples_ms)) for name, r in zip(names, records, strict=True)],
        classes=class_table(scores.values()) if scores else None,
        split=", ".join(
            sorted({f"{Path(s.dataset).name}, split {s.split}, {s.frames} frames" for s in scores.values()})
        ),
        plots=[
            ("Quantiles", plots.quantile_curve(records, names)),
            ("Distribution", plots.ecdf(records, names)),
            ("Over time", plots.over_time(records, names)),
            ("Stages", plots.stage_stack(records, names)),
        ],
        machine=facts_table([record.machine for record in records], names),
        subjects=facts_table([_facts(record) for record in records], names),
    )


def _names(records: Sequence[LatencyRecord]) -> list[str]:
    """A short name for each record, numbered where two would be the same."""
    names = [record.subject.model.removesuffix(".onnx") for record in records]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _facts(record: LatencyRecord) -> dict[str, str]:
    subject = record.subject
    return {
        "model": subject.model,
        "SHA-256": subject.model_sha256,
        "backend": subject.backend,
        "frames": record.frames,
        "mode": record.mode,
        "samples": f"{record.summary().n}{' (partial: interrupted)' if record.partial else ''}",
        "warm-up": f"{record.warmup_frames} frames{'' if record.warmup_settled else ' (did not settle)'}",
        "measured": record.created,
        "command": subject.command,
        "commit": subject.commit,
    }
