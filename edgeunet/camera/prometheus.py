"""The loop's figures for Prometheus, in its text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).

The format is a few lines; the package prometheus_client would be one more to install on every board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from edgeunet import __version__
from edgeunet.camera.access import Access, notice
from edgeunet.camera.histogram import Quantiles
from edgeunet.camera.rungs import LadderStats
from edgeunet.camera.server import Reply, Server, serving_http
from edgeunet.camera.statistics import LoopStats

_COUNTERS: tuple[tuple[str, str, Callable[[LoopStats], int]], ...] = (
    ("frames_read", "Frames the source gave.", lambda s: s.read),
    ("masks", "Masks published.", lambda s: s.published),
    ("frames_dropped", "Frames that a newer one replaced before inference.", lambda s: s.dropped),
    ("frames_corrupt", "Frames that could not be decoded.", lambda s: s.corrupt),
    ("inferences_failed", "Inferences that raised an error.", lambda s: s.failed),
    ("deadline_misses", "Masks older than the deadline when they were published.", lambda s: s.misses),
    ("reconnects", "How often the source was opened again.", lambda s: s.reconnects),
)


def exposition(stats: Mapping[str, LoopStats], info: Mapping[str, str], ladder: LadderStats | None = None) -> str:
    """The text that Prometheus reads: all figures of each source. info: facts of the build, as labels of a 1.

    ladder: of several models, which one is in use and how often that changed.
    """
    lines = _metric("build_info", "gauge", "What runs.")
    lines.append(_sample("build_info", {"version": __version__, **info}, 1))
    for name, text, value in _COUNTERS:
        lines += _metric(f"{name}_total", "counter", text)
        lines += [_sample(f"{name}_total", {"source": source}, value(s)) for source, s in stats.items()]
    lines += _metric("masks_per_second", "gauge", "Over the latest masks.")
    lines += [_sample("masks_per_second", {"source": source}, round(s.recent_fps, 3)) for source, s in stats.items()]
    lines += _metric("frame_age_seconds", "summary", "From the capture of a frame to its published mask.")
    for source, s in stats.items():
        lines += _summary("frame_age_seconds", {"source": source}, s.age)
    lines += _metric("jitter_seconds", "summary", "Change of the time between two masks.")
    for source, s in stats.items():
        lines += _summary("jitter_seconds", {"source": source}, s.jitter)
    lines += _metric("stage_seconds", "summary", "Time of each stage of a frame.")
    for source, s in stats.items():
        for stage, quantiles in s.stages.items():
            lines += _summary("stage_seconds", {"source": source, "stage": stage}, quantiles)
    if ladder is not None:
        lines += _metric("model_in_use", "gauge", "1 for the model that takes the frames now.")
        lines += [_sample("model_in_use", {"model": name}, int(name == ladder.current)) for name in ladder.models]
        lines += _metric("model_switches_total", "counter", "Changes of the model in use.")
        lines += [_sample("model_switches_total", {"cause": cause}, n) for cause, n in ladder.switches.items()]
    return "\n".join(lines) + "\n"


@contextmanager
def serving_metrics(
    access: Access,
    stats: Callable[[], Mapping[str, LoopStats]],
    info: Mapping[str, str],
    notify: Callable[[str], None],
    ladder: Callable[[], LadderStats] | None = None,
) -> Iterator[Server]:
    """A server of /metrics as long as the block lasts; `notify` hears its address.

    stats, ladder: the loop's figures by source and of its models, asked by the server's thread. info: facts of the
    build such as model and backend; their names are letters, digits and _. Raises OutputError if the address cannot
    be had.
    """

    def answer(path: str) -> Reply | None:
        if path != "/metrics":
            return None
        text = exposition(stats(), info, ladder() if ladder else None)
        return Reply(text.encode(), "text/plain; version=0.0.4; charset=utf-8")

    with serving_http(access, answer) as server:
        notify(notice("metrics", access, server.port, "metrics"))
        yield server


def _metric(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP edgeunet_{name} {text}", f"# TYPE edgeunet_{name} {kind}"]


def _summary(name: str, labels: Mapping[str, str], quantiles: Quantiles) -> list[str]:
    shown = (("0.5", quantiles.p50_ns), ("0.9", quantiles.p90_ns), ("0.99", quantiles.p99_ns), ("1", quantiles.max_ns))
    return [
        *(_sample(name, {**labels, "quantile": q}, value / 1e9) for q, value in shown if quantiles.count),
        _sample(f"{name}_sum", labels, quantiles.total_ns / 1e9),
        _sample(f"{name}_count", labels, quantiles.count),
    ]


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"edgeunet_{name}{{{pairs}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
