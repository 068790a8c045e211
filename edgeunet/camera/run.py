"""The verb `edgeunet camera`: from addresses to masks, pictures, files and figures."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType

from edgeunet.camera.host.memory import Memory
from edgeunet.camera.host.systemd import Service
from edgeunet.camera.host.terminal import Display
from edgeunet.camera.host.throttle import ThrottleWatch
from edgeunet.camera.loop.latency_record import record_of
from edgeunet.camera.loop.loop import STUCK_S, Loop
from edgeunet.camera.loop.watchdog import Work
from edgeunet.camera.options import CameraOptions
from edgeunet.camera.serving.metrics import serving_metrics
from edgeunet.camera.sinks.opening import make_sinks
from edgeunet.camera.sinks.output_files import Files
from edgeunet.camera.sinks.window import Window
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import in_flight, open_steady, settle
from edgeunet.camera.statistics import LoopStats
from edgeunet.camera.switching.fallback_session import LadderSession, open_ladder
from edgeunet.camera.switching.reload import ModelWatch
from edgeunet.errors import EdgeUNetError, OutputError
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.warm_up import Warmth, warm_up
from edgeunet.utils.dependencies import require_installed

POLL_S = 0.1
SLOWER = 3  # times as long as the slowest frame of the warm-up, and an inference hangs


def run_camera(options: CameraOptions) -> Mapping[str, LoopStats]:
    """Run the loop to the end of all sources, to `max_frames`, or until Ctrl-C, SIGTERM, SIGHUP or the window's end.

    Shows progress on stderr; gives the figures by source. To be stopped is no error: all files are closed within a
    second. Raises ModelFileError, SourceError, OutputError or MissingDependencyError; what was recorded until then is
    kept.
    """
    addresses = _by_name(options.sources)
    files = Files.of(options, list(addresses))
    files.require(options)
    for part in options.sinks.parts:
        require_installed(part)
    before = files.states()
    window = Window() if options.sinks.show else None
    memory = Memory()
    with Display() as display, ExitStack() as serving:
        serving.callback(lambda: display.say(*files.written_since(before)))
        ladder = _open_ladder(options, display.note)
        session = ladder or _open_model(options, options.model)
        with ExitStack() as unless_started:
            unless_started.callback(session.close)
            warmth = warm_up(session)
            steady = partial(open_steady, notify=display.note, stall_s=options.stall_s, alone=len(addresses) == 1)
            sources = {name: unless_started.enter_context(steady(text)) for name, text in addresses.items()}
            settle(list(sources.values()))
            sinks = make_sinks(options.sinks, files, sources, session.spec, lambda: loop.stats(), display.note)
            if window is not None:
                sinks.append(nullcontext(window))
            observe = ladder.observe if ladder else None
            loop = Loop(session, sources, sinks, options.for_loop(), notify=display.note, observe=observe)
            serving.enter_context(_metrics(loop, ladder, options, display))
            if ladder:
                serving.enter_context(ThrottleWatch(ladder.throttled))
            unless_started.pop_all()  # from here on the loop's threads close the sources
        try:
            with _in_any_case(lambda: _save_record(loop, options, warmth), display.note):
                _run(loop, options, _patience_s(options, warmth), display, window, memory)
        finally:
            if not loop.is_stuck():
                loop.session.close()
    return loop.stats()


def _save_record(loop: Loop, options: CameraOptions, warmth: Warmth) -> None:
    if options.latency_record is None or not any(stats.published for stats in loop.stats().values()):
        return
    record = record_of(loop.feeds, loop.session, settled=warmth.settled, deadline_ms=options.deadline_ms)
    record.save(options.latency_record, force=options.sinks.force)


@contextmanager
def _in_any_case(work: Callable[[], None], notify: Callable[[str], None]) -> Iterator[None]:
    """Do some work after the block, also after an error; what fails of it then is a note, and not the error."""
    try:
        yield
    except BaseException:
        try:
            work()
        except OutputError as error:
            notify(str(error))
        raise
    work()


def _patience_s(options: CameraOptions, warmth: Warmth) -> float:
    """After how many seconds an inference hangs: a model that is always slow does not."""
    return max(options.stall_s, SLOWER * warmth.slowest_s)


def _run(
    loop: Loop, options: CameraOptions, patience_s: float, display: Display, window: Window | None, memory: Memory
) -> None:
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
                _watch(loop, patience_s, display, window, memory, service, stopped)
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
    if loop.is_stuck() and work is not None:
        if work.seconds <= patience_s:
            display.note(f"{work.title} is not waited for: it has taken {work.seconds:.0f} s")
            return
        where = "what else this machine does" if loop.session.describe().get("device") == "cpu" else "the driver"
        raise EdgeUNetError(f"{work.title} hangs: it was given up after {work.seconds:.0f} s; look at {where}")


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
    patience_s: float,
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
        if work is None or work.seconds < patience_s:
            service.alive()  # while something hangs, systemd's watchdog may end the program and start it again
        elif work != told:
            told = work
            display.note(f"{work.title} has taken {work.seconds:.0f} s and goes on; Ctrl-C ends the camera")
        memory.give_back()
        display.update(loop.stats())


@contextmanager
def _signals(stopped: threading.Event) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP set `stopped`; a second one interrupts whatever is under way."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    # A terminal that is closed ends the camera in order too, but for what was started with nohup.
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    wanted = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else []))
    before = {number: signal.signal(number, handle) for number in wanted}
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


def _by_name(addresses: Sequence[str]) -> dict[str, str]:
    """Addresses by the name that people are shown; those that share one are numbered."""
    names = [Address.parse(address).name for address in addresses]
    count = Counter(names)
    named: dict[str, str] = {}
    for name, address in zip(names, addresses, strict=True):
        unique, number = name, 1
        while unique in named or (count[name] > 1 and unique == name):
            unique, number = f"{name} ({number})", number + 1
        named[unique] = address
    return named
