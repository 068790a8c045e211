"""The verb `edgeunet camera`: from an address to drawn frames, a video and figures."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from edgeunet.camera.display import Display
from edgeunet.camera.loop import DEFAULT_FPS, Loop, LoopStats, Sink
from edgeunet.camera.overlay import OPACITY
from edgeunet.camera.recorder import check_recordable, recording
from edgeunet.camera.sources import Source, open_source
from edgeunet.camera.window import Window
from edgeunet.errors import UsageError
from edgeunet.runtime.session import Session

POLL_S = 0.1


@dataclass(frozen=True)
class CameraOptions:
    """source: a video file, `0`, `/dev/video0`, `rtsp://…`. record: the video to write; force: over an older one.

    max_frames: masks to make before it ends. opacity: of the class colours, 0 to 1.
    """

    source: str
    record: Path | None = None
    force: bool = False
    max_frames: int | None = None
    show: bool = False
    opacity: float = OPACITY

    def __post_init__(self) -> None:
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"--max-frames is at least 1, got {self.max_frames}")
        if not 0.0 <= self.opacity <= 1.0:
            raise UsageError(f"the opacity of the overlay is 0 to 1, got {self.opacity}")


def run_camera(session: Session, options: CameraOptions) -> LoopStats:
    """Run the loop to the end of the source, to `max_frames`, or until Ctrl-C or the window's end; show progress.

    Ctrl-C ends it like the end of the source: the video is kept and complete up to that frame.
    Raises SourceError, OutputError or MissingPartError; then no video is left behind, unless a live
    source broke off: what came until then is kept.
    """
    if options.record is not None:
        check_recordable(options.record, force=options.force)
    window = Window() if options.show else None
    source = open_source(options.source)
    sinks: list[AbstractContextManager[Sink]] = []
    if options.record is not None:
        sinks.append(recording(options.record, source.size, source.fps or DEFAULT_FPS, force=options.force))
    if window is not None:
        sinks.append(nullcontext(window))
    loop = Loop(session, source, sinks, opacity=options.opacity, max_frames=options.max_frames)
    with Display(_total(source, options.max_frames)) as display:
        loop.start()
        try:
            _watch(loop, display, window)
        except KeyboardInterrupt:
            pass
        finally:
            loop.stop()
            if window is not None:
                window.close()
            stats = loop.finish()
        display.update(stats, last=True)
    return stats


def _watch(loop: Loop, display: Display, window: Window | None) -> None:
    """Until the loop ends or the user closes the window: the main thread's only work."""
    while not loop.wait(0.0 if window else POLL_S):
        if window is not None and not window.refresh(POLL_S):
            return
        display.update(loop.stats())


def _total(source: Source, max_frames: int | None) -> int | None:
    if source.frame_count is None or max_frames is None:
        return source.frame_count or max_frames
    return min(source.frame_count, max_frames)
