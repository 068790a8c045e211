"""Both loops: a camera whose frames say their time, what a freeze shows, a cut video, and the peer's own program."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.kept_networks import KeptNetwork
from benchmarks.studies.peers.loops import live_camera
from benchmarks.studies.peers.loops.live_camera import FreezeTrial, SeenMask
from benchmarks.studies.peers.loops.numbered_camera import NumberedCamera
from benchmarks.studies.peers.loops.video_loops import cut_video, our_loop, said
from benchmarks.studies.peers.peer_program import BAND
from benchmarks.studies.peers.peer_python import PeerPython
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.stamp import decode_stamp
from edgeunet.samples import CLIP
from tests.models import write_toy_model

SECOND = 1_000_000_000
THEIR_PACKAGE = """
import time
import cv2
import numpy as np

class Result:
    def __init__(self, image):
        self.orig_img = image

    def plot(self):
        print("drawn")

class YOLO:
    def __init__(self, model, task):
        print("loading", model, task)

    def export(self, **settings):
        print("exporting", settings)

    def predict(self, source, stream, verbose, **settings):
        if source.startswith("http"):
            capture = cv2.VideoCapture(source)
            while True:
                found, image = capture.read()
                if found:
                    yield Result(image)
        yield from (Result(np.full((80, 32, 3), number, np.uint8)) for number in range(15))
        if source == "camera":
            while True:
                time.sleep(0.01)
"""


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PeerPython:
    """This Python with a package that has the peer's names."""
    (tmp_path / "ultralytics.py").write_text(THEIR_PACKAGE)
    starter = tmp_path / "python"
    starter.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{tmp_path}" exec "{sys.executable}" "$@"\n')
    starter.chmod(0o755)
    return PeerPython(starter, tmp_path)


def ours(path: Path) -> ExportedFiles:
    return ExportedFiles(KeptNetwork("nano", path.parent, path, 1.0), path, path, {})


@pytest.mark.slow
def test_the_peers_words_and_its_findings_are_kept_apart(peer: PeerPython, tmp_path: Path) -> None:
    log = tmp_path / "loop.log"
    found = peer.run("loop", "m.xml", {"source": "clip", "draw": True}, log)
    assert found["frames"] == 15
    assert found["fps"] > 0
    assert log.read_text().count("drawn") == 15
    assert peer.run("export", "m.pt", {"format": "onnx"}, log)["cpu_s"] > 0
    assert "exporting {'format': 'onnx'}" in log.read_text()


@pytest.mark.slow
def test_the_peer_says_what_it_saw_also_if_it_hangs(peer: PeerPython, tmp_path: Path) -> None:
    log = tmp_path / "live.log"
    process = peer.start("loop", "m.xml", {"source": "camera", "live": True}, log)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    while "loading" not in log.read_text():
        pass
    found = peer.findings(process, "loop", log, 30)
    assert found["frames"] == len(found["times_ns"]) == len(found["bands"])
    for number, band in enumerate(found["bands"]):
        pixels = np.frombuffer(zlib.decompress(base64.b64decode(band)), np.uint8).reshape(-1, found["width"], 3)
        assert pixels.shape == (BAND, 32, 3)
        assert (pixels == number).all()
    assert json.dumps(found["times_ns"])


def test_the_frames_of_the_camera_say_their_number_and_stop_while_it_is_frozen() -> None:
    with NumberedCamera(CLIP) as camera, open_source(camera.url) as source:
        stamps = [decode_stamp(frame.pixels) for _ in range(5) if (frame := source.read()) is not None]
        assert [number for number, _ in stamps] == [0, 1, 2, 3, 4]
        assert stamps[4][1] - stamps[0][1] > 4 * SECOND // 40
        camera.frozen.set()


def test_figures_are_of_the_masks_before_the_freeze_and_count_those_during_it() -> None:
    trial = FreezeTrial(10 * SECOND, 20 * SECOND, 28 * SECOND)
    masks = [SeenMask(at * SECOND, at * SECOND - 50_000_000) for at in (5, 11, 12, 13)]
    masks += [SeenMask(20 * SECOND + 1, 20 * SECOND), SeenMask(25 * SECOND, 0), SeenMask(29 * SECOND, 20 * SECOND)]
    masks += [SeenMask(30 * SECOND, 29 * SECOND)]
    found = trial.figures(masks, "frozen")
    assert found == {
        "masks_per_s": 0.3,
        "age_p50_ms": 50.0,
        "age_p99_ms": 50.0,
        "age_max_ms": 50.0,
        "masks_while_frozen": 1,
        "says_while_frozen": "frozen",
        "back_after_s": 2.0,
    }
    assert trial.figures([], "")["age_p50_ms"] is trial.figures([], "")["back_after_s"] is None


@pytest.mark.slow
def test_the_peers_loop_is_timed_behind_the_same_camera(
    peer: PeerPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("START_S", "FROZEN_S", "AFTER_S"):
        monkeypatch.setattr(live_camera, name, 2.0)
    path = tmp_path / "yolo26n-sem" / "weights" / "int8" / "best.xml"
    path.parent.mkdir(parents=True)
    network = KeptNetwork("yolo26n-sem", path.parents[2], path, 1.0)
    found = live_camera.live_camera(ExportedFiles(network, None, None, {}, path, path), peer, CLIP, (32, 48), 2)
    assert found["masks_per_s"] > 1
    assert 0 < found["age_p50_ms"] < 10_000
    assert found["back_after_s"] > 0


@pytest.mark.slow
def test_our_loop_tells_of_the_freeze_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_camera, "START_S", 1.0)
    files = ours(write_toy_model(tmp_path / "toy.onnx"))
    found = live_camera.live_camera(files, PeerPython(Path(sys.executable), tmp_path), CLIP, (32, 48), 2)
    assert found["masks_per_s"] > 1
    assert found["masks_while_frozen"] == 0
    assert "opening it again" in found["says_while_frozen"]
    assert found["back_after_s"] is not None


def test_a_cut_video_is_refused_with_the_reason_and_a_whole_one_runs_to_its_end(tmp_path: Path) -> None:
    files = ours(write_toy_model(tmp_path / "toy.onnx"))
    peer = PeerPython(Path(sys.executable), tmp_path)
    found = cut_video(files, peer, CLIP, (32, 48), tmp_path)
    assert found["frames"] == 0
    assert found["says"].startswith("cut.mp4 is cut")
    assert str(tmp_path) not in found["says"]
    missing = ExportedFiles(files.network, None, None, {"fp32": "no"})
    assert cut_video(missing, peer, CLIP, (32, 48), tmp_path) == {"missing": "no"}
    whole = our_loop(tmp_path / "toy.onnx", CLIP, draw=False)
    assert (whole["frames"], whole["fps"] > 0) == (221, True)


def test_only_warnings_and_errors_of_the_peer_are_kept_each_once() -> None:
    log = "Loading\nWARNING waiting\nWARNING waiting\n[h264] Error splitting\n"
    assert said(log) == "WARNING waiting | [h264] Error splitting"
    assert said("") == ""
