"""The verb `edgeunet camera`: from addresses to masks, pictures, files and figures."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from edgeunet.camera.display import Display
from edgeunet.camera.latency import record_of, warm_up
from edgeunet.camera.loop import STUCK_S, Loop, LoopOptions
from edgeunet.camera.memory import Memory
from edgeunet.camera.prometheus import serving_metrics
from edgeunet.camera.reconnect import STALL_S
from edgeunet.camera.rungs import LadderSession, open_ladder
from edgeunet.camera.sinks import SinkOptions, check_sinks, make_sinks
from edgeunet.camera.sources import Source, in_flight, open_steady
from edgeunet.camera.statistics import LoopStats
from edgeunet.camera.systemd import Service
from edgeunet.camera.throttle import ThrottleWatch
from edgeunet.camera.watch import ModelWatch
from edgeunet.camera.window import Window
from edgeunet.camera.work import Work
from edgeunet.errors import EdgeUNetError, UsageError
from edgeunet.files import require_free
from edgeunet.runtime import Session, open_session

POLL_S = 0.1


@dataclass(frozen=True)
class CameraOptions:
    """One run of the camera.

    fallbacks: models of the same classes, in order of preference, that take over while `model` misses the deadline.
    sources: addresses, see address.py. backend, threads: as open_session() takes them. deadline_ms: an older mask is
    counted as late. stall_s: seconds without a frame until a live source is opened again, and until an inference
    counts as hanging. watch_model: take over a newer file when it replaces the model. latency_record: the file to
    write each mask's age to. max_frames: masks to make of each source before it ends.
    """

    model: Path
    sources: tuple[str, ...]
    sinks: SinkOptions = field(default_factory=SinkOptions)
    backend: str | None = None
    threads: int | None = None
    deadline_ms: float | None = None
    fallbacks: tuple[Path, ...] = ()
    stall_s: float = STALL_S
    watch_model: bool = False
    latency_record: Path | None = None
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("the camera needs a source: give --source, once or more")
        if not self.stall_s > 0:
            raise UsageError(f"--stall-s is above 0 seconds, got {self.stall_s:g}")
        if self.fallbacks:
            self._check_ladder()
        self.for_loop()

    def _check_ladder(self) -> None:
        if self.deadline_ms is None:
            raise UsageError("several models take turns to keep a deadline: give --deadline-ms, or one model")
        if len({self.model, *self.fallbacks}) <= len(self.fallbacks):
            raise UsageError("a model is given twice: name each one once, the most wanted first")
        if self.watch_model:
            raise UsageError("--watch-model follows one model file: give one model, or leave it out")
        if self.latency_record is not None:
            raise UsageError("--latency-record is of one model: give one model, or leave it out; --jsonl takes several")

    def for_loop(self) -> LoopOptions:
        """What the loop needs of them; raises UsageError for a value out of range."""
        return LoopOptions(
            max_frames=self.max_frames,
            deadline_ms=self.deadline_ms,
            draw=self.sinks.draw,
            keep_samples=self.latency_record is not None,
        )


def run_camera(options: CameraOptions) -> Mapping[str, LoopStats]:
    """Run the loop to the end of all sources, to `max_frames`, or until Ctrl-C, SIGTERM or the window's end.

    Shows progress on stderr; gives the figures by source. To be stopped is no error: all files are closed within a
    second. Raises ModelFileError, SourceError, OutputError or MissingPartError; what was recorded until then is kept.
    """
    check_sinks(options.sinks)
    if options.latency_record is not None:
        require_free(options.latency_record, force=options.sinks.force)
    window = Window() if options.sinks.show else None
    memory = Memory()
    with Display() as display, ExitStack() as serving:
        ladder = _open_ladder(options, display.note)
        session = ladder or _open_model(options, options.model)
        with ExitStack() as unless_started:
            unless_started.callback(session.close)
            settled = warm_up(session)
            opened = (open_steady(address, display.note, stall_s=options.stall_s) for address in options.sources)
            sources = _by_name([unless_started.enter_context(source) for source in opened])
            sinks = make_sinks(options.sinks, sources, session.spec, lambda: loop.stats(), display.note)
            if window is not None:
                sinks.append(nullcontext(window))
            observe = ladder.observe if ladder else None
            loop = Loop(session, sources, sinks, options.for_loop(), notify=display.note, observe=observe)
            serving.enter_context(_metrics(loop, ladder, options, display))
            if ladder:
                serving.enter_context(ThrottleWatch(ladder.throttled))
            unless_started.pop_all()  # from here on the loop's threads close the sources
        try:
            _run(loop, options, display, window, memory)
        finally:
            if options.latency_record is not None and any(stats.published for stats in loop.stats().values()):
                record = record_of(
                    loop.feeds, loop.session, options.model, settled=settled, deadline_ms=options.deadline_ms
                )
                record.save(options.latency_record, force=options.sinks.force)
            if not loop.is_stuck():
                loop.session.close()
    return loop.stats()


def _run(loop: Loop, options: CameraOptions, display: Display, window: Window | None, memory: Memory) -> None:
    """Start the loop, watch it, and see it through to its end."""
    service = Service()
    stopped = threading.Event()
    opener = partial(_open_model, options, options.model)
    watch = ModelWatch(options.model, loop.session.spec, opener, loop.switch, display.note)
    with _signals(stopped):
        loop.start()
        service.ready()
        try:
            with watch if options.watch_model else nullcontext():
                _watch(loop, options, display, window, memory, service, stopped)
        finally:
            service.stopping()
            loop.stop()
            if window is not None:
                window.close()
            work = loop.longest_work()
            try:
                loop.finish(STUCK_S)
            finally:
                display.update(loop.stats(), last=True)
    if loop.is_stuck() and work is not None and work.seconds > options.stall_s:
        raise EdgeUNetError(f"{work.title} hangs: it was given up after {work.seconds:.0f} s; look at the driver")


def _metrics(
    loop: Loop, ladder: LadderSession | None, options: CameraOptions, display: Display
) -> AbstractContextManager[object]:
    """The server of the figures, if one is asked for."""
    access = options.sinks.access(options.sinks.metrics)
    if access is None:
        return nullcontext()
    info = {"model": options.model.name, "backend": loop.session.describe()["backend"]}
    return serving_metrics(access, loop.stats, info, display.note, ladder.stats if ladder else None)


def _watch(
    loop: Loop,
    options: CameraOptions,
    display: Display,
    window: Window | None,
    memory: Memory,
    service: Service,
    stopped: threading.Event,
) -> None:
    """Until the loop ends, a signal comes or the user closes the window: the main thread's only work."""
    told: Work | None = None
    while not stopped.is_set() and not loop.wait(0.0 if window else POLL_S):
        if window is not None and not window.refresh(POLL_S):
            return
        work = loop.longest_work()
        if work is None or work.seconds < options.stall_s:
            service.alive()  # while something hangs, systemd's watchdog may end the program and start it again
        elif work != told:
            told = work
            display.note(f"{work.title} has taken {work.seconds:.0f} s and goes on; Ctrl-C ends the camera")
        memory.give_back()
        display.update(loop.stats())


@contextmanager
def _signals(stopped: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stopped`; a second one interrupts whatever is under way."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open_ladder(options: CameraOptions, notify: Callable[[str], None]) -> LadderSession | None:
    """All models behind one session, if there are several."""
    if not options.fallbacks or options.deadline_ms is None:
        return None
    paths = (options.model, *options.fallbacks)
    return open_ladder(paths, partial(_open_model, options), options.deadline_ms, notify)


def _open_model(options: CameraOptions, path: Path) -> Session:
    flight = min(in_flight(address) for address in options.sources)
    return open_session(
        path,
        threads=options.threads,
        in_flight=flight,
        batch=len(options.sources),
        backend=options.backend,
    )


def _by_name(sources: Sequence[Source]) -> dict[str, Source]:
    """Sources by name; those that share one are numbered."""
    count = Counter(source.name for source in sources)
    named: dict[str, Source] = {}
    for source in sources:
        name, number = source.name, 1
        while name in named or (count[source.name] > 1 and name == source.name):
            name, number = f"{source.name} ({number})", number + 1
        named[name] = source
    return named
