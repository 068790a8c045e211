"""What a camera writes is no input and no other output, can be written, and is named at the end."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edgeunet.camera import CameraOptions, SinkOptions, run_camera
from edgeunet.camera.frame import Shot
from edgeunet.camera.loop.loop import Loop
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.sinks.masks import MaskFolder
from edgeunet.camera.sinks.outputs import CameraOutputs
from edgeunet.camera.sources.address import Address
from edgeunet.errors import MissingDependencyError, OutputError, UsageError
from edgeunet.latency.record import LatencyRecord
from edgeunet.runtime import open_session
from tests.camera.ros2.network import NO_WHEEL
from tests.camera.videos import FakeCamera, eventually, numbered, write_numbered
from tests.models import write_toy_model


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a model, a video, a folder of photos named like masks, and links to all of them."""
    monkeypatch.chdir(tmp_path)
    write_toy_model(tmp_path / "m.onnx")
    write_numbered(tmp_path / "drive.mp4", 5)
    (tmp_path / "photos").mkdir()
    for name in ("000000.png", "photo.png"):
        (tmp_path / "photos" / name).write_bytes(b"a photo")
    for name in ("m.onnx", "drive.mp4", "photos"):
        Path(f"link-{name}").symlink_to(name)
    os.link("drive.mp4", "hard.mp4")
    return tmp_path


def require(options: CameraOptions) -> None:
    addresses = map(Address.parse, options.sources)
    CameraOutputs(options, {str(number): address for number, address in enumerate(addresses)}).check()


M, D = Path("m.onnx"), "drive.mp4"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CameraOptions(M, (D,), SinkOptions(record=Path(D), force=True)), "--record .* is also --source"),
        (CameraOptions(M, (D,), SinkOptions(record=Path("link-drive.mp4"), force=True)), "is also --source"),
        (CameraOptions(M, (D,), SinkOptions(record=Path("hard.mp4"), force=True)), "is also --source"),
        (CameraOptions(M, (f"file://{D}",), SinkOptions(jsonl=Path(D), force=True)), "--jsonl .* is also --source"),
        (CameraOptions(M, (D,), SinkOptions(force=True), latency_record=M), "--latency-record .* is also MODEL"),
        (CameraOptions(M, (D,), SinkOptions(jsonl=Path("./link-m.onnx"), force=True)), "is also MODEL"),
        (
            CameraOptions(Path("big.onnx"), (D,), SinkOptions(jsonl=M, force=True), fallbacks=(M,), deadline_ms=9.0),
            "is also MODEL",
        ),
        (CameraOptions(Path("e.engine"), (D,), SinkOptions(jsonl=Path("e.engine.json"))), "is also MODEL"),
        (CameraOptions(M, ("photos",), SinkOptions(save_masks=Path("link-photos"), force=True)), "is also --source"),
        (
            CameraOptions(M, ("photos/000000.png",), SinkOptions(save_masks=Path("link-photos"), force=True)),
            "is also --source",
        ),
        (
            CameraOptions(M, ("photos",), SinkOptions(force=True), latency_record=Path("link-photos/photo.png")),
            "--latency-record .* is also --source",
        ),
        (CameraOptions(M, (D,), SinkOptions(record=Path("x.mp4"), jsonl=Path("./x.mp4"))), "--jsonl x.mp4 is also"),
        (CameraOptions(M, (D,), SinkOptions(jsonl=Path("x")), latency_record=Path("x")), "is also --jsonl"),
        (
            CameraOptions(M, ("a", "b"), SinkOptions(record=Path("x.mp4"), jsonl=Path("x-1.mp4"))),
            "--jsonl x-1.mp4 is also --record",
        ),
        (
            CameraOptions(M, ("edgeunet.sdp",), SinkOptions(rtp=HostPort("127.0.0.1", 5004))),
            "--rtp edgeunet.sdp is also --source",
        ),
        (
            CameraOptions(M, ("ros2:///seg",), SinkOptions(ros2="/seg")),
            "--ros2 /seg would publish on a topic that is also",
        ),
        (
            CameraOptions(M, ("ros2:///seg/state",), SinkOptions(ros2="/seg")),
            "a topic that is also --source: give another",
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_no_output_is_an_input_or_another_output(options: CameraOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        require(options)


@pytest.mark.usefixtures("here")
def test_topics_may_be_sources_and_outputs() -> None:
    pytest.importorskip("cyclonedds", reason=NO_WHEEL)
    require(CameraOptions(M, ("ros2:///seg", "ros2:///segmentation_raw"), SinkOptions(ros2="/segmentation")))


def test_a_topic_that_ros2_does_not_allow() -> None:
    with pytest.raises(UsageError, match=r"'--ros2 segmentation' names no ROS 2 topic, such as"):
        SinkOptions(ros2="segmentation")


def test_masks_may_go_next_to_a_video_and_photos_of_other_names(here: Path) -> None:
    require(CameraOptions(M, (D,), SinkOptions(save_masks=Path())))
    (here / "photos" / "000000.png").unlink()
    require(CameraOptions(M, ("photos/photo.png",), SinkOptions(save_masks=Path("photos"), force=True)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            CameraOptions(M, (D,), SinkOptions(record=M / "x.mp4")),
            "^--record: cannot write m.onnx/x.mp4: not",
        ),
        (CameraOptions(M, (D,), SinkOptions(jsonl=M / "x")), "^--jsonl: cannot write m.onnx/x: not a directory"),
        (CameraOptions(M, (D,), SinkOptions(jsonl=Path("photos"), force=True)), "^--jsonl: photos is a folder"),
        (CameraOptions(M, (D,), SinkOptions(save_masks=Path("photos"))), "^--save-masks: photos has PNG files already"),
        (
            CameraOptions(M, (D,), SinkOptions(save_masks=Path("photos"), force=True)),
            "^--save-masks: photos/000000.png was not written by this version of edgeunet",
        ),
        (CameraOptions(M, (D,), SinkOptions(save_masks=M / "x")), "^--save-masks: cannot write m.onnx/x/000000.png"),
        (
            CameraOptions(M, (D,), SinkOptions(force=True), latency_record=Path("photos")),
            "^--latency-record: photos",
        ),
        (CameraOptions(M, (D,), latency_record=M / "x"), "^--latency-record: cannot write m.onnx/x: not a directory"),
    ],
)
def test_what_cannot_be_written_is_found_before_the_work_and_named_by_its_option(
    here: Path, options: CameraOptions, message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        run_camera(replace(options, model=Path("absent.onnx")))
    assert sorted(path.name for path in (here / "photos").iterdir()) == ["000000.png", "photo.png"]


def test_the_end_says_what_was_written_where(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_numbered(here / "rear.mp4", 3)
    sinks = SinkOptions(record=Path("rec.mp4"), save_masks=Path("masks"), jsonl=Path("lines.jsonl"))
    run_camera(CameraOptions(M, (D, "rear.mp4"), sinks, latency_record=Path("latency.json")))
    said = capfd.readouterr().err.splitlines()
    for line in (
        "video written to rec-drive.mp4, rec-rear.mp4",
        "masks written to masks",
        "lines written to lines.jsonl",
        "latency record written to latency.json",
    ):
        assert line in said
    record = LatencyRecord.load("latency.json")
    assert record.sources == (D, "rear.mp4")
    assert [(part.frames, len(part.starts_ms)) for part in record.by_source()] == [(D, 5), ("rear.mp4", 3)]


def test_a_camera_whose_masks_take_long_to_write_pushes_out_none_of_another(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras, let, write = {"slow": FakeCamera(), "quick": FakeCamera()}, threading.Event(), MaskFolder.write

    def hanging(self: MaskFolder, shot: Shot) -> None:
        assert shot.source == "quick" or let.wait(20)
        write(self, shot)

    monkeypatch.setattr(MaskFolder, "write", hanging)
    options = CameraOptions(M, ("0", "1"), SinkOptions(save_masks=here / "masks"))
    outputs = CameraOutputs(options, {name: Address.parse("0") for name in cameras})
    with open_session(M) as session:
        loop = Loop(session, cameras)
        loop.publish_to(outputs.sinks(loop))
        loop.start()
        for number in range(12):  # more than wait in front of a sink
            cameras["slow"].show(numbered(number))
            cameras["quick"].show(numbered(number))
            eventually(lambda done=number + 1: len(list((here / "masks").glob("*-quick.png"))) == done)  # type: ignore[misc]
        let.set()
        for camera in cameras.values():
            camera.show(None)
        loop.finish()


@pytest.mark.usefixtures("here")
def test_what_was_not_written_is_not_named(capfd: pytest.CaptureFixture[str]) -> None:
    Path("older.mp4").write_bytes(b"older")
    with pytest.raises(Exception, match="absent"):
        run_camera(CameraOptions(Path("absent.onnx"), (D,), SinkOptions(record=Path("older.mp4"), force=True)))
    assert "written to" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("sinks", "absent", "message"),
    [
        (SinkOptions(serve=HostPort("127.0.0.1", 0)), "aiohttp", "aiohttp is not installed, .* 'edgeunet\\[serve\\]'"),
        (SinkOptions(metrics=HostPort("127.0.0.1", 0)), "aiohttp", "aiohttp is not installed"),
        (SinkOptions(metrics=HostPort("127.0.0.1", 0)), "prometheus_client", "prometheus-client is not installed"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_server_s_missing_part_is_named_before_the_work(
    sinks: SinkOptions, absent: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeunet.utils.dependencies.find_spec", lambda name: None if name == absent else object())
    with pytest.raises(MissingDependencyError, match=message):
        run_camera(CameraOptions(Path("absent.onnx"), (D,), sinks))
