"""The loop's figures for Prometheus: prometheus-client writes them in its text format 0.0.4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edgeunet.camera.serving.access import Access, notice
from edgeunet.camera.serving.reply import Reply
from edgeunet.camera.serving.server import HttpServer
from edgeunet.camera.state.mask_state import MaskState
from edgeunet.camera.statistics import FallbackStats, LoopStats, Quantiles
from edgeunet.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNTERS: tuple[tuple[str, str, Callable[[LoopStats], int]], ...] = (
    ("frames_read", "Frames the source gave.", lambda s: s.read),
    ("masks", "Masks published.", lambda s: s.published),
    ("frames_dropped", "Frames that a newer one replaced before inference.", lambda s: s.dropped),
    ("frames_corrupt", "Frames that could not be decoded.", lambda s: s.corrupt),
    ("inferences_failed", "Inferences that raised an error.", lambda s: s.failed),
    ("deadline_misses", "Masks older than the deadline when they were published.", lambda s: s.misses),
    ("frames_unpaired", "Masks of frames without a match in every other source (--sync).", lambda s: s.unpaired),
    ("reconnects", "How often the source was opened again.", lambda s: s.reconnects),
)


def exposition(
    stats: Mapping[str, LoopStats], info: Mapping[str, str], fallbacks: FallbackStats | None = None
) -> bytes:
    """The text that Prometheus reads: all figures of each source. info: facts of the build, as labels of a 1.

    fallbacks: of several models, which one is in use and how often that changed.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    class Figures:
        def collect(self) -> Iterable[Metric]:
            return _metrics(stats, info, fallbacks)

    registry = CollectorRegistry()
    registry.register(Figures())
    return generate_latest(registry)


@contextmanager
def serving_metrics(
    access: Access,
    stats: Callable[[], Mapping[str, LoopStats]],
    info: Mapping[str, str],
    notify: Callable[[str], None],
    fallbacks: Callable[[], FallbackStats] | None = None,
) -> Iterator[HttpServer]:
    """A server of /metrics as long as the block lasts; `notify` gets its address.

    stats, fallbacks: the loop's figures by source and of its models; the server's thread asks for them. info: facts of
    the build such as model and backend; their names are letters, digits and _. Raises OutputError if the address is
    taken or not this machine's.
    """

    def answer(path: str) -> Reply | None:
        if path != "/metrics":
            return None
        return Reply(exposition(stats(), info, fallbacks() if fallbacks else None), CONTENT_TYPE)

    with closing(HttpServer(access, answer)) as server:
        notify(notice("metrics", access, server.port, "metrics"))
        yield server


def _metrics(
    stats: Mapping[str, LoopStats], info: Mapping[str, str], fallbacks: FallbackStats | None
) -> Iterator[Metric]:
    yield _metric("build_info", "gauge", "What runs.", [({"version": __version__, **info}, 1)])
    for name, text, value in _COUNTERS:
        yield _metric(name, "counter", text, [({"source": source}, value(s)) for source, s in stats.items()], "_total")
    yield _metric(
        "state",
        "gauge",
        "1 for the state of the newest mask, or of the lack of one.",
        [
            ({"source": source, "state": str(state)}, int(state is s.state.finding.state))
            for source, s in stats.items()
            for state in MaskState
        ],
    )
    yield _metric(
        "masks_in_state",
        "counter",
        "Masks in each state; as none counts each report that there is none.",
        [
            ({"source": source, "state": str(state)}, s.state.counts.get(state, 0))
            for source, s in stats.items()
            for state in MaskState
        ],
        "_total",
    )
    last = [({"source": source}, s.state.age_ns / 1e9) for source, s in stats.items() if s.state.age_ns is not None]
    yield _metric("last_mask_age_seconds", "gauge", "Since the capture of the frame of the newest mask.", last)
    rates = [({"source": source}, round(s.recent_fps, 3)) for source, s in stats.items()]
    yield _metric("masks_per_second", "gauge", "Over the latest masks.", rates)
    ages = [({"source": source}, s.age) for source, s in stats.items()]
    yield _summary("frame_age_seconds", "From the capture of a frame to its published mask.", ages)
    jitters = [({"source": source}, s.jitter) for source, s in stats.items()]
    yield _summary("jitter_seconds", "Change of the time between two masks.", jitters)
    stages = [({"source": source, "stage": stage}, q) for source, s in stats.items() for stage, q in s.stages.items()]
    yield _summary("stage_seconds", "Time of each stage of a frame.", stages)
    if fallbacks is not None:
        in_use = [({"model": name}, int(name == fallbacks.current)) for name in fallbacks.models]
        yield _metric("model_in_use", "gauge", "1 for the model that takes the frames now.", in_use)
        switches = [({"cause": cause}, n) for cause, n in fallbacks.switches.items()]
        yield _metric("model_switches", "counter", "Changes of the model in use.", switches, "_total")


def _metric(
    name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]], ending: str = ""
) -> Metric:
    from prometheus_client import Metric

    metric = Metric(f"edgeunet_{name}", text, kind)
    for labels, value in samples:
        _add(metric, ending, labels, value)
    return metric


def _summary(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], Quantiles]]) -> Metric:
    """The library's own summaries have no quantiles."""
    metric = _metric(name, "summary", text, ())
    for labels, q in samples:
        shown = (("0.5", q.p50_ns), ("0.9", q.p90_ns), ("0.99", q.p99_ns), ("1", q.max_ns))
        for quantile, value in shown if q.count else ():
            _add(metric, "", {**labels, "quantile": quantile}, value / 1e9)
        _add(metric, "_sum", labels, q.total_ns / 1e9)
        _add(metric, "_count", labels, q.count)
    return metric


def _add(metric: Metric, ending: str, labels: Mapping[str, str], value: float) -> None:
    # A file's name may have bytes that are not UTF-8; the format must be.
    plain = {key: text.encode(errors="replace").decode() for key, text in labels.items()}
    metric.add_sample(f"{metric.name}{ending}", plain, value)
