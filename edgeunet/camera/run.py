"""The verb `edgeunet camera`: from addresses to masks, pictures, files and figures."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType

from edgeunet.camera.batching import batch_of
from edgeunet.camera.host.memory import HeapTrimmer
from edgeunet.camera.host.systemd import Service
from edgeunet.camera.host.terminal import Display
from edgeunet.camera.host.throttle import ThrottleWatch
from edgeunet.camera.loop.latency_record import record_of
from edgeunet.camera.loop.loop import STUCK_S, Loop
from edgeunet.camera.loop.watchdog import Activity
from edgeunet.camera.options import CameraOptions
from edgeunet.camera.serving.prometheus_metrics import serving_metrics
from edgeunet.camera.sinks.outputs import CameraOutputs
from edgeunet.camera.sinks.window import Window
from edgeunet.camera.sources.address import Address, addresses_by_name
from edgeunet.camera.sources.opening import open_steady, settle
from edgeunet.camera.state.state_limit import require_states
from edgeunet.camera.statistics import LoopStats
from edgeunet.camera.switching.fallback_session import FallbackSession, open_fallbacks
from edgeunet.camera.switching.reload import ModelWatch
from edgeunet.errors import EdgeUNetError, OutputError
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.warm_up import WarmUpResult, warm_up

POLL_S = 0.1
SLOWER = 3  # an inference hangs if it takes longer than this times the slowest frame of the warm-up


def run_camera(options: CameraOptions) -> Mapping[str, LoopStats]:
    """Run the loop to the end of all sources, to `max_frames`, or until Ctrl-C, SIGTERM, SIGHUP or a closed window.

    Shows progress on stderr; returns the figures by source. Being stopped is no error: all files are closed within a
    second. Raises ModelFileError, SourceError, OutputError or MissingDependencyError, and EdgeUNetError if `fail_on`
    says so; the recording so far is kept.
    """
    addresses = addresses_by_name(options.sources)
    outputs = CameraOutputs(options, addresses)
    outputs.check()
    window = Window() if options.sinks.show else None
    heap = HeapTrimmer()
    with Display() as display, ExitStack() as serving:
        serving.callback(lambda: display.say(*outputs.written()))
        opener = partial(_open_model, options, list(addresses.values()))
        fallbacks = _open_fallbacks(options, opener, display.note)
        session = fallbacks or opener(options.model)
        with ExitStack() as unless_started:
            unless_started.callback(session.close)
            warmth = warm_up(session)
            kind, alone = session.spec.pixels, len(addresses) == 1
            steady = partial(open_steady, notify=display.note, pixels=kind, stall_s=options.stall_s, alone=alone)
            sources = {name: unless_started.enter_context(steady(address)) for name, address in addresses.items()}
            settle(sources.values())
            observe = fallbacks.observe if fallbacks else None
            paired = options.sync_ms is not None
            batch = batch_of(session, len(sources), paired=paired, notify=display.note)
            of_loop = replace(options.for_loop(), batch=batch)
            loop = Loop(session, sources, (), of_loop, notify=display.note, observe=observe)
            loop.publish_to(outputs.sinks(loop))
            if window is not None:
                loop.publish_to([nullcontext(window)])
            serving.enter_context(_metrics(loop, fallbacks, options))
            if fallbacks:
                serving.enter_context(ThrottleWatch(fallbacks.throttled))
            unless_started.pop_all()  # from here on the loop's threads close the sources
        patience_s = max(options.stall_s, SLOWER * warmth.slowest_s)  # a model that is always slow does not hang
        supervisor = _Supervisor(loop, display, window, heap, patience_s)
        try:
            with _in_any_case(lambda: _save_record(loop, options, warmth), display.note):
                supervisor.run(_model_watch(options, loop, opener))
        finally:
            if not loop.is_stuck():
                loop.session.close()
    stats = loop.stats()
    require_states({name: figures.state for name, figures in stats.items()}, options.fail_on)
    return stats


@dataclass(frozen=True)
class _Supervisor:
    """What the main thread does while the loop runs. patience_s: an inference that takes longer counts as hanging."""

    loop: Loop
    display: Display
    window: Window | None
    heap: HeapTrimmer
    patience_s: float
    service: Service = field(default_factory=Service)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, model_watch: AbstractContextManager[object]) -> None:
        """Start the loop and see it through to its end. Raises what ended it, and EdgeUNetError if it hangs."""
        with _signals(self.stopped):
            self.loop.start()
            self.service.ready()
            try:
                with model_watch:
                    self._watch()
            finally:
                self.service.stopping()
                self.loop.stop()
                if self.window is not None:
                    self.window.close()
                activity = self.loop.watchdog.longest()
                try:
                    self.loop.finish(STUCK_S)
                finally:
                    self.display.update(self.loop.stats(), last=True)
        if self.loop.is_stuck() and activity is not None:
            self._give_up(activity)

    def _watch(self) -> None:
        """Until the loop ends, a signal comes or the user closes the window."""
        reported: Activity | None = None
        while not self.stopped.is_set() and not self.loop.wait(0.0 if self.window else POLL_S):
            if self.window is not None and not self.window.refresh(POLL_S):
                return
            activity = self.loop.watchdog.longest()
            if activity is None or activity.seconds < self.patience_s:
                self.service.alive()  # not while something hangs: systemd's watchdog may then restart the program
            elif activity != reported:
                reported = activity
                self.display.note(f"{activity.title} has taken {activity.seconds:.0f} s so far; Ctrl-C ends the camera")
            self.heap.give_back()
            stats = self.loop.stats()
            self.service.status(stats)
            self.display.update(stats)

    def _give_up(self, activity: Activity) -> None:
        if activity.seconds <= self.patience_s:
            self.display.note(f"{activity.title} has taken {activity.seconds:.0f} s; the camera ends without it")
            return
        on_cpu = self.loop.session.describe().get("device") == "cpu"
        where = "the other programs on this machine" if on_cpu else "the driver"
        raise EdgeUNetError(
            f"{activity.title} hangs: the camera stopped waiting for it after {activity.seconds:.0f} s; check {where}"
        )


def _open_fallbacks(
    options: CameraOptions, opener: Callable[[Path], Session], notify: Callable[[str], None]
) -> FallbackSession | None:
    """All models behind one session, if there are several."""
    if not options.fallbacks or options.deadline_ms is None:
        return None
    return open_fallbacks((options.model, *options.fallbacks), opener, options.deadline_ms, notify)


def _open_model(options: CameraOptions, addresses: Sequence[Address], path: Path) -> Session:
    return open_session(
        path,
        threads=options.threads,
        in_flight=min(address.in_flight for address in addresses),
        batch=len(addresses),
        backend=options.backend,
    )


def _model_watch(
    options: CameraOptions, loop: Loop, opener: Callable[[Path], Session]
) -> AbstractContextManager[object]:
    """The watcher for a newer model file, if the options ask for it."""
    if not options.watch_model:
        return nullcontext()
    return ModelWatch(options.model, loop.session.spec, partial(opener, options.model), loop.switch, loop.notify)


def _metrics(loop: Loop, fallbacks: FallbackSession | None, options: CameraOptions) -> AbstractContextManager[object]:
    """The server of the figures, if one is asked for."""
    access = options.sinks.access(options.sinks.metrics)
    if access is None:
        return nullcontext()
    info = {"model": options.model.name, "backend": loop.session.describe()["backend"]}
    return serving_metrics(access, loop.stats, info, loop.notify, fallbacks.stats if fallbacks else None)


def _save_record(loop: Loop, options: CameraOptions, warmth: WarmUpResult) -> None:
    if options.latency_record is None or not any(stats.published for stats in loop.stats().values()):
        return
    record = record_of(loop.readers, loop.session, settled=warmth.settled, deadline_ms=options.deadline_ms)
    record.save(options.latency_record, force=options.sinks.force)


@contextmanager
def _in_any_case(work: Callable[[], None], notify: Callable[[str], None]) -> Iterator[None]:
    """Do some work after the block, also after an error; if it fails then too, that is only a note."""
    try:
        yield
    except BaseException:
        try:
            work()
        except OutputError as error:
            notify(str(error))
        raise
    work()


@contextmanager
def _signals(stopped: threading.Event) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP set `stopped`; a second one interrupts the program where it is."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    # A terminal that closes ends the camera in order too, unless it was started with nohup.
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    wanted = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else []))
    before = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
