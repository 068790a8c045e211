from __future__ import annotations

import hashlib
import json
import math
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest

from edgeunet.camera import CameraOptions, LoopStats, SinkOptions, run_camera
from edgeunet.camera.host.terminal import Display
from edgeunet.camera.host.throttle import ThrottleWatch
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.sinks.window import Window
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_address, open_source
from edgeunet.camera.state.mask_state import MaskState
from edgeunet.camera.state.state_limit import StateLimit
from edgeunet.errors import EdgeUNetError, MissingDependencyError, ModelFileError, OutputError, SourceError, UsageError
from edgeunet.latency.deadlines import deadlines
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.runtime.warm_up import WarmUpResult
from edgeunet.samples import CLIP
from tests.board.sensor_trees import AGX_ORIN, write_tree
from tests.camera.running import SYNTHETIC, Running, stamps
from tests.camera.videos import number_of, write_numbered
from tests.marks import slow
from tests.models import toy_spec, write_toy_model


def run(model: Path, source: object, sinks: SinkOptions | None = None, **options: Any) -> LoopStats:
    """The figures of the only source."""
    (stats,) = run_camera(CameraOptions(model, (str(source),), sinks or SinkOptions(), **options)).values()
    return stats


def test_clip_becomes_a_video_of_as_many_frames(tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "out.mp4"
    stats = run(model, CLIP, SinkOptions(record=video))
    assert (stats.published, stats.dropped, stats.total) == (221, 0, 221)
    with open_source(str(video)) as source:
        assert (source.size, source.fps) == ((540, 960), 25.0)
        frames = list(iter(source.read, None))
    assert len(frames) == 221
    with open_source(str(CLIP)) as source:
        plain = source.read()
    assert plain is not None
    drawn = frames[0]
    assert np.abs(drawn.pixels.astype(int) - plain.pixels).mean() > 20  # the overlay; the encoder alone gives 3
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "221 of 221 frames" in captured.err


@pytest.mark.parametrize("number", [signal.SIGTERM, *slow(signal.SIGINT, signal.SIGHUP)])
def test_ctrl_c_sigterm_and_a_closed_terminal_end_cleanly_with_a_playable_video(
    tmp_path: Path, model: Path, number: signal.Signals
) -> None:
    video = tmp_path / "out.mp4"
    with Running(model, "--source", SYNTHETIC, "--record", video) as running:
        lines = running.lines(20)
        ended = running.end(number)
    assert (ended.code, "Traceback" in ended.errors) == (0, False), ended.errors
    published, recorded = [line["frame"] for line in [*lines, *running.rest]], stamps(video)
    assert recorded[-1] == published[-1]
    assert set(recorded) <= set(published)  # an encoder that is too slow for a camera leaves some out


def test_max_frames_cuts_a_file_and_a_camera(tmp_path: Path, model: Path) -> None:
    source = write_numbered(tmp_path / "n.mp4", 20)
    assert run(model, source, SinkOptions(record=tmp_path / "out.mp4"), max_frames=6).published == 6
    with open_source(str(tmp_path / "out.mp4")) as video:
        assert [number_of(frame.pixels) for frame in iter(video.read, None)] == list(range(6))
    stats = run(model, SYNTHETIC, max_frames=3)
    assert (stats.published, stats.total) == (3, 3)


def test_several_sources_have_files_of_their_own(tmp_path: Path, model: Path) -> None:
    files = [str(write_numbered(tmp_path / f"{name}.mp4", count)) for name, count in (("a", 4), ("b", 7))]
    sinks = SinkOptions(record=tmp_path / "out.mp4", save_masks=tmp_path / "masks")
    stats = run_camera(CameraOptions(model, tuple(files), sinks))
    assert {name: s.published for name, s in stats.items()} == {files[0]: 4, files[1]: 7}
    assert len(list((tmp_path / "masks").glob("*.png"))) == 11
    for name, count in (("a", 4), ("b", 7)):
        with open_source(str(tmp_path / f"out-{name}.mp4")) as video:
            assert len(list(iter(video.read, None))) == count


def test_existing_video_is_found_before_the_model_and_the_source_are_opened(tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    video.write_bytes(b"older")
    with pytest.raises(OutputError, match="--force"):
        run(tmp_path / "missing.onnx", tmp_path / "missing.mp4", SinkOptions(record=video))
    with pytest.raises(OutputError, match="--force"):
        run(tmp_path / "missing.onnx", tmp_path / "missing.mp4", latency_record=video)
    assert video.read_bytes() == b"older"


def test_missing_model_and_missing_source_are_named(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ModelFileError, match=r"missing\.onnx"):
        run(tmp_path / "missing.onnx", CLIP)
    with pytest.raises(SourceError, match=r"missing\.mp4"):
        run_camera(CameraOptions(model, (SYNTHETIC, str(tmp_path / "missing.mp4"))))


def test_show_without_a_screen_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(EdgeUNetError, match="--record") as caught:
        run(model, CLIP, SinkOptions(show=True))
    assert isinstance(caught.value, (MissingDependencyError, OutputError))


def test_closing_the_window_ends_it_and_keeps_the_video(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeWindow(Window):
        """Replaces a desktop: the user closes it when it has been shown a few frames."""

        def __init__(self) -> None:
            self.shown: queue.Queue[object] = queue.Queue()
            self.closed = False

        def write(self, shot: object) -> None:
            self.shown.put(shot)

        def refresh(self, timeout_s: float) -> bool:
            for _ in range(5):
                self.shown.get(timeout=20)
            return False

        def close(self) -> None:
            self.closed = True

    window = FakeWindow()
    monkeypatch.setattr("edgeunet.camera.run.Window", lambda: window)
    stats = run(model, SYNTHETIC, SinkOptions(show=True, record=tmp_path / "out.mp4"))
    assert window.closed
    assert stats.published >= 5
    assert 0 < len(stamps(tmp_path / "out.mp4")) <= stats.published


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_frames": 0}, "from 1 to 1,000,000,000, got 0"),
        ({"deadline_ms": 0.0}, "above 0 and at most 1,000,000,000, got 0"),
        ({"stall_s": -1.0}, "--stall-s is above 0 and at most 86,400, got -1"),
        ({"sources": ()}, "--source"),
        *(({"deadline_ms": value}, "--deadline-ms is above 0") for value in (math.inf, math.nan, 1e300, -1.0)),
        *(({"stall_s": value}, "--stall-s is above 0") for value in (math.inf, math.nan, 1e300)),
        *(({"threads": value}, "--threads is from 1 to 1,024") for value in (0, -1, 10**20)),
        ({"sinks": SinkOptions(rtp=HostPort("h", 65535))}, "the port of --rtp is from 1 to 65,534"),
        ({"sinks": SinkOptions(rtp=HostPort("h", 65534)), "sources": ("0", "1")}, "from 1 to 65,532, got 65534"),
        ({"sinks": SinkOptions(rtp=HostPort("h", 0))}, "the port of --rtp is from 1 to"),
        ({"watch_model": True, "latency_record": Path("r")}, "--watch-model may change it"),
        ({"fallbacks": (Path("n.onnx"),)}, "give --deadline-ms, or one model"),
        ({"fallbacks": (Path("n.onnx"), Path("m.onnx")), "deadline_ms": 33.0}, "given twice"),
        ({"fallbacks": (Path("n.onnx"),), "deadline_ms": 33.0, "watch_model": True}, "--watch-model follows one"),
        ({"fallbacks": (Path("n.onnx"),), "deadline_ms": 33.0, "latency_record": Path("r")}, "--latency-record is for"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CameraOptions(**{"model": Path("m.onnx"), "sources": ("0",), **options})


def test_camera_never_imports_torch_nor_pyav() -> None:
    code = "import sys; sys.modules['torch'] = None; import edgeunet.camera.run; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_latency_record_is_what_the_report_reads(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "latency.json"
    stats = run(model, SYNTHETIC, latency_record=path, max_frames=30, deadline_ms=0.001)
    record = LatencyRecord.load(path)
    kept = deadlines(record)
    assert kept is not None
    assert (kept.misses, kept.longest_streak) == (stats.misses, stats.longest_miss) == (30, 30)
    assert (record.mode, record.frames, record.subject.model) == ("camera", "synthetic://", "toy.onnx")
    assert list(record.samples_ms) == [TOTAL, "wait", "fit", "infer"]
    assert len(record.samples_ms[TOTAL]) == stats.published == 30
    assert record.dropped == stats.dropped
    assert record.states["synthetic://"].keys() <= {"none", "late"}
    assert sum(record.states["synthetic://"].values()) == pytest.approx(1)
    assert (sum(record.samples_ms[stage] for stage in record.stages) <= record.samples_ms[TOTAL]).all()
    assert record.summary().max == pytest.approx(stats.age.max_ns / 1e6)
    assert (np.diff(record.starts_ms) > 5).all()  # captured at 100 frames a second, some of them dropped


def test_a_run_that_ends_in_an_error_has_its_record_too(tmp_path: Path, model: Path) -> None:
    damaged, path = tmp_path / "damaged.mp4", tmp_path / "latency.json"
    data = CLIP.read_bytes()
    damaged.write_bytes(data[:300_000] + bytes(len(data) - 300_000))
    with pytest.raises(SourceError, match="cannot be decoded"):
        run(model, damaged, SinkOptions(record=tmp_path / "out.mp4"), latency_record=path)
    masks = len(LatencyRecord.load(path).starts_ms)
    assert masks > 0
    with open_source(str(tmp_path / "out.mp4")) as source:
        assert len(list(iter(source.read, None))) == masks


@pytest.mark.parametrize("option", ["record", "jsonl"])
def test_a_source_s_error_comes_before_what_an_output_says_of_it(tmp_path: Path, model: Path, option: str) -> None:
    broken, options = tmp_path / "broken.mp4", dict[str, Any]({option: tmp_path / "out.mp4"})
    data = write_numbered(tmp_path / "n.mp4", 5).read_bytes()
    broken.write_bytes(data[: data.index(b"mdat") + 4] + bytes(len(data) - data.index(b"mdat") - 4))
    with pytest.raises(SourceError, match=r"broken\.mp4"):
        run(model, broken, SinkOptions(**options))


def test_an_output_that_fails_at_the_end_does_not_hide_the_source_s_error(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = CLIP.read_bytes()
    damaged.write_bytes(data[:300_000] + bytes(len(data) - 300_000))

    def full(self: LatencyRecord, path: Path, *, force: bool) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(LatencyRecord, "save", full)
    with pytest.raises(SourceError):
        run(model, damaged, latency_record=tmp_path / "latency.json")
    assert "note: the disk is full" in capfd.readouterr().err


def test_the_record_names_the_model_that_ran_whatever_lies_at_its_path_by_then(tmp_path: Path, model: Path) -> None:
    data, path = model.read_bytes(), tmp_path / "latency.json"
    with Running(model, "--source", SYNTHETIC, "--latency-record", path) as running:
        running.lines(2)
        write_toy_model(tmp_path / "new.onnx", toy_spec((16, 24))).replace(model)
        running.lines(2)
        model.unlink()
        assert running.end(signal.SIGINT).code == 0
    subject = LatencyRecord.load(path).subject
    assert (subject.model, subject.size_bytes) == ("toy.onnx", len(data))
    assert subject.model_sha256 == hashlib.sha256(data).hexdigest()


def test_deadline_is_counted(model: Path) -> None:
    assert run(model, SYNTHETIC, deadline_ms=1e-3, max_frames=5).longest_miss == 5
    assert run(model, SYNTHETIC, deadline_ms=1e6, max_frames=5).misses == 0


def test_too_many_masks_in_a_state_fail_the_run_and_keep_its_outputs(tmp_path: Path, model: Path) -> None:
    late, lines = (StateLimit(MaskState.LATE, 0.5),), SinkOptions(jsonl=tmp_path / "lines")
    run(model, CLIP, deadline_ms=1e6, max_frames=5, fail_on=late)
    with pytest.raises(EdgeUNetError, match=r"100\.00 % of the masks of .* were late, more than the 50 % of --fail-on"):
        run(model, CLIP, lines, deadline_ms=1e-3, max_frames=5, fail_on=late)
    assert len((tmp_path / "lines").read_text().splitlines()) == 5


def test_the_model_is_warm_before_the_source_is_opened(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Session(OnnxRuntimeSession):
        def run(self, frame: Any) -> Any:
            calls.append("run")
            return super().run(frame)

    def opened(address: Address, **options: object) -> Any:
        calls.append("open")
        return open_address(address)

    monkeypatch.setattr("edgeunet.camera.run.open_session", lambda path, **options: Session(path))
    monkeypatch.setattr("edgeunet.camera.run.open_steady", opened)
    run(model, CLIP, max_frames=1)
    assert calls == ["run", "run", "run", "open"]


class HangingSession(OnnxRuntimeSession):
    """Works for the warm-up and one frame, and then hangs like a driver."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.let = threading.Event()
        self.hangs = threading.Event()
        self._calls = 0

    def result(self) -> Any:
        self._calls += 1
        if self._calls == 2:
            self.hangs.set()
            assert self.let.wait(30)
        return super().result()


@pytest.fixture
def hanging(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingSession]:
    session = HangingSession(model)
    monkeypatch.setattr("edgeunet.camera.run.open_session", lambda path, **options: session)
    yield session
    session.let.set()
    for thread in threading.enumerate():
        if thread.name == "edgeunet-inferrer":
            thread.join(20)
    session.close()


def received(listener: socket.socket) -> list[str]:
    """What has arrived."""
    messages = []
    while select.select([listener], [], [], 0)[0]:
        messages.append(listener.recv(1000).decode())
    return [message for message in messages if not message.startswith("STATUS=")]


def test_hanging_inference_is_noted_left_to_the_watchdog_and_ends_with_an_error(
    tmp_path: Path, model: Path, hanging: HangingSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    before: list[str] = []
    rounds: list[int] = []

    def note(self: Display, line: str) -> None:
        notes.append(line)
        before.extend(received(listener))

    def update(self: Display, stats: object, *, last: bool = False) -> None:
        rounds.append(len(notes))
        if rounds.count(1) == 3:  # a while after it was said
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Display, "note", note)
    monkeypatch.setattr(Display, "update", update)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        with pytest.raises(EdgeUNetError, match=r"inference of frame \d+ of synthetic:// hangs"):
            run(model, SYNTHETIC, SinkOptions(record=tmp_path / "out.mp4"), stall_s=0.3)
        after = received(listener)
    assert len(notes) == 1
    assert notes[0].endswith("s so far; Ctrl-C ends the camera")
    assert (before[0], before[1]) == ("READY=1", "WATCHDOG=1")
    assert after == ["STOPPING=1"]  # no more sign of life
    assert len(stamps(tmp_path / "out.mp4")) == 1


def test_a_slow_inference_is_no_hanging_one(
    model: Path, hanging: HangingSession, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in mid-frame, on a machine whose frames take as long as always."""
    monkeypatch.setattr("edgeunet.camera.run.warm_up", lambda session: WarmUpResult(settled=True, slowest_s=100.0))

    def press_ctrl_c() -> None:
        assert hanging.hangs.wait(30)
        signal.raise_signal(signal.SIGINT)

    interrupt = threading.Thread(target=press_ctrl_c)
    interrupt.start()
    run(model, SYNTHETIC, stall_s=0.05)
    interrupt.join()
    said = capfd.readouterr().err
    assert "; the camera ends without it" in said
    assert "hangs" not in said
    assert "driver" not in said


def largest_class(line: dict[str, Any]) -> str:
    shares: dict[str, float] = line["classes"]
    return max(shares, key=lambda name: shares[name])


def test_a_model_that_is_replaced_is_taken_over(tmp_path: Path, model: Path) -> None:
    """The new one has its classes in another order, so another class gets the most of the picture."""
    write_toy_model(tmp_path / "new.onnx", order=(1, 2, 0))
    with Running(model, "--source", SYNTHETIC, "--watch-model") as running:
        before = largest_class(running.lines(1)[0])
        (tmp_path / "new.onnx").replace(model)
        while largest_class(running.lines(1)[0]) == before:
            pass
        ended = running.end(signal.SIGINT)
    assert ended.code == 0
    assert "the new model is in use" in ended.errors


def test_a_switch_of_models_is_in_the_notes_the_lines_and_the_metrics(tmp_path: Path, model: Path) -> None:
    """The second model takes over, as no mask keeps this deadline; one board, two cameras."""
    small = write_toy_model(tmp_path / "small.onnx", toy_spec((16, 24)))
    sources = ("--source", SYNTHETIC, "--source", SYNTHETIC)
    with Running(model, small, *sources, "--deadline-ms", 0.001, "--metrics", 0, "--record", tmp_path / "o.mp4") as it:
        lines = it.lines(1)
        while lines[-1]["model"] == "toy.onnx":
            lines += it.lines(1)
        it.said("metrics: ")
        port = it.errors.partition("metrics: http://127.0.0.1:")[2].partition("/")[0]
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as response:
            metrics = response.read().decode().split("\n")
        ended = it.end(signal.SIGINT)
    assert ended.code == 0
    assert "note: small.onnx takes over from toy.onnx: 2 of the last 2 masks were older than 0.001 ms" in ended.errors
    assert 'edgeunet_model_in_use{model="small.onnx"} 1.0' in metrics
    assert 'edgeunet_model_switches_total{cause="deadline"} 1.0' in metrics
    assert {line["model"] for line in it.rest} <= {"small.onnx"}


def test_a_board_that_throttles_goes_on_with_the_next_model(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No deadline is missed, but a file of the system says that heat holds the clocks down."""
    small = write_toy_model(tmp_path / "small.onnx", toy_spec((16, 24)))
    root = write_tree(tmp_path / "system", AGX_ORIN)
    monkeypatch.setattr("edgeunet.camera.run.ThrottleWatch", partial(ThrottleWatch, root=root, every_s=0.01))
    lines = tmp_path / "lines.jsonl"
    run(model, SYNTHETIC, SinkOptions(jsonl=lines), fallbacks=(small,), deadline_ms=1e6, max_frames=200)
    models = [json.loads(line)["model"] for line in lines.read_text().splitlines()]
    assert models == sorted(models, reverse=True)  # toy.onnx, small.onnx
    assert len(set(models)) == 2


STUCK_BACKEND = """
import threading
from edgeunet.cli import main
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
infer, calls = OnnxRuntimeSession._infer, []
def hanging(self, slot):
    calls.append(slot)
    if len(calls) > 6:
        threading.Event().wait()
    return infer(self, slot)
OnnxRuntimeSession._infer = hanging
main()
"""


def test_a_backend_that_hangs_does_not_keep_the_command_from_ending(model: Path) -> None:
    """Of a file two frames are in flight, in threads of the backend for which Python would wait."""
    running = Running(model, "--source", CLIP, "--stall-s", 0.2, "--backend", "onnxruntime", code=STUCK_BACKEND)
    with running:
        running.said("Ctrl-C ends the camera")
        ended = running.end(signal.SIGINT)
    assert ended.code == 1
    assert "hangs: the camera stopped waiting for it after" in ended.errors
