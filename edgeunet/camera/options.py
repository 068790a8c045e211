"""The options of one camera run, with the ranges of all numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgeunet.camera.loop.loop import LoopOptions
from edgeunet.camera.ros2.topics import require_topic
from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.sources.reconnect import LONGEST_STALL_S, STALL_S
from edgeunet.camera.state.state_limit import StateLimit
from edgeunet.errors import UsageError
from edgeunet.utils.limits import THREADS, require_in


@dataclass(frozen=True)
class SinkOptions:
    """Where published frames go; several at once, or none.

    show: a window on the desktop. serve: the address of the page. record: a video file. save_masks: a folder. rtp: the
    address to stream to. jsonl: a file of lines, `-` for the standard output. metrics: the address for Prometheus.
    ros2: a topic of ROS 2. token: the secret of page and metrics. force: replace files that exist.
    """

    show: bool = False
    serve: HostPort | None = None
    record: Path | None = None
    save_masks: Path | None = None
    rtp: HostPort | None = None
    jsonl: Path | None = None
    metrics: HostPort | None = None
    ros2: str | None = None
    token: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        for address in (self.serve, self.metrics):
            self.access(address)
        if self.ros2 is not None:
            require_topic(self.ros2, f"--ros2 {self.ros2}")

    @property
    def legend(self) -> bool:
        """Whether any of them uses the overlay with its legend; the page has its own legend."""
        return self.show or self.record is not None or self.rtp is not None

    def access(self, address: HostPort | None) -> Access | None:
        """Who may read at an address; raises UsageError for a token that is too short."""
        return None if address is None else Access(address, self.token)


@dataclass(frozen=True)
class CameraOptions:
    """One run of the camera.

    fallbacks: models of the same classes, in order of preference, that take over while `model` misses the deadline.
    sources: addresses, see docs/camera.md#sources. backend, threads: of open_session(). deadline_ms: an older mask
    counts as late. stall_s: after this time without a frame a live source is opened again, and an inference counts as
    hanging. watch_model: switch to a newer file that replaces the model. latency_record: the file for each mask's age.
    max_frames: masks to make of each source before it ends. sync_ms: frames of several sources whose times are at most
    so far apart belong together. fail_on: the run has failed if a source had more masks in
    one of these states.
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
    fail_on: tuple[StateLimit, ...] = ()
    sync_ms: float | None = None

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("the camera needs a source: give --source, once or more")
        require_in("--stall-s", self.stall_s, 0, LONGEST_STALL_S, above=True)
        require_in("--threads", self.threads, 1, THREADS)
        self.for_loop()  # checks its own ranges
        if self.sync_ms is not None and len(self.sources) == 1:
            raise UsageError("--sync pairs the frames of several sources: give --source again, or leave --sync out")
        if self.sinks.rtp is not None:
            # Each source takes two ports, an even one for RTP and the next one for RTCP: RFC 3550, section 11.
            require_in("the port of --rtp", self.sinks.rtp.port, 1, 65_536 - 2 * len(self.sources))
        if self.fallbacks:
            self._check_fallbacks()
        if self.watch_model and self.latency_record is not None:
            raise UsageError("--latency-record is for one model, and --watch-model may change it: leave out one")

    def _check_fallbacks(self) -> None:
        if self.deadline_ms is None:
            raise UsageError("several models need a deadline: give --deadline-ms, or one model")
        if len({self.model, *self.fallbacks}) <= len(self.fallbacks):
            raise UsageError("a model is given twice: name each one once, the preferred one first")
        if self.watch_model:
            raise UsageError("--watch-model follows one model file: give one model, or leave it out")
        if self.latency_record is not None:
            raise UsageError("--latency-record is for one model: give one model, or use --jsonl instead")

    def for_loop(self) -> LoopOptions:
        """The part that the loop needs."""
        return LoopOptions(
            max_frames=self.max_frames,
            deadline_ms=self.deadline_ms,
            draw=self.sinks.legend,
            plain=self.sinks.serve is not None,
            keep_samples=self.latency_record is not None,
            sync_ms=self.sync_ms,
        )
