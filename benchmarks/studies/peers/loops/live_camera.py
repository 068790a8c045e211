"""Both loops behind one camera of 30 frames per second that freezes once: how old masks are, and what is noticed."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.camera.instant import Discard
from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.loops.numbered_camera import NumberedCamera
from benchmarks.studies.peers.loops.video_loops import said
from benchmarks.studies.peers.peer_program import FIRST
from benchmarks.studies.peers.peer_python import PeerPython
from edgeunet.camera.frame import Frame
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_steady
from edgeunet.camera.sources.stamp import decode_stamp
from edgeunet.errors import FrameError
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime import open_session

START_S = 3.0  # from the first mask: all is warm
FROZEN_S = 8.0
AFTER_S = 8.0
PATIENCE_S = 60.0  # for their program to start, and to end


@dataclass(frozen=True)
class SeenMask:
    """at_ns: when it was there, captured_ns: its frame, both time.perf_counter_ns(), which processes share on Linux."""

    at_ns: int
    captured_ns: int


@dataclass(frozen=True)
class FreezeTrial:
    """Times of one trial, time.perf_counter_ns(): the camera works from `begin`, and freezes until `thawed`."""

    begin_ns: int
    frozen_ns: int
    thawed_ns: int

    def figures(self, masks: list[SeenMask], says: str) -> dict[str, Any]:
        """Of the masks before the freeze, while it lasted and after it. says: what was said while it lasted."""
        before = [mask for mask in masks if self.begin_ns <= mask.at_ns < self.frozen_ns]
        # What was on its way when it froze is no mask of a frozen picture.
        during = [mask for mask in masks if self.frozen_ns + 1_000_000_000 <= mask.at_ns < self.thawed_ns]
        fresh = [mask.at_ns for mask in masks if mask.captured_ns >= self.thawed_ns]
        ages = [(mask.at_ns - mask.captured_ns) / 1e6 for mask in before]
        p50, p99, longest = (round(float(np.quantile(ages, q)), 1) for q in (0.5, 0.99, 1)) if ages else (None,) * 3
        return {
            "masks_per_s": round(len(before) / ((self.frozen_ns - self.begin_ns) / 1e9), 1),
            "age_p50_ms": p50,
            "age_p99_ms": p99,
            "age_max_ms": longest,
            "masks_while_frozen": len(during),
            "says_while_frozen": says,
            "back_after_s": round((min(fresh) - self.thawed_ns) / 1e9, 2) if fresh else None,
        }


def live_camera(
    files: ExportedFiles, peer: PeerPython, clip: Path, size: tuple[int, int], seconds: float
) -> dict[str, Any]:
    """One network's INT8 file behind the camera. seconds: before the freeze."""
    with NumberedCamera(clip) as camera:
        if files.own_int8 is not None:
            return _theirs(files.own_int8, peer, camera, size, seconds)
        if files.int8 is not None:
            return _ours(files.int8, camera, seconds)
    return {"missing": files.missing.get("int8") or files.missing["fp32"]}


def _ours(model: Path, camera: NumberedCamera, seconds: float) -> dict[str, Any]:
    masks: list[SeenMask] = []
    lines: list[str] = []

    def observe(frame: Frame, now_ns: int) -> None:
        _add(masks, frame.pixels, now_ns)

    with open_session(model) as session:
        source = open_steady(Address.parse(camera.url), lines.append)
        loop = Loop(
            session,
            {"camera": source},
            [nullcontext(Discard())],
            LoopOptions(draw=False),
            notify=lines.append,
            observe=observe,
        )
        loop.start()
        trial, says = _through_the_freeze(
            camera, seconds, lambda: "".join(f"{line}; " for line in lines), lambda: bool(masks)
        )
        loop.stop()
        loop.finish()
    return trial.figures(masks, says.removesuffix("; ").replace(camera.url, "the camera"))


def _theirs(
    model: Path, peer: PeerPython, camera: NumberedCamera, size: tuple[int, int], seconds: float
) -> dict[str, Any]:
    log = model.parents[2] / "live.log"
    settings = {"source": camera.url, "live": True, "imgsz": list(size), "device": "cpu"}
    process = peer.start("loop", model.parent, settings, log)

    def words() -> str:
        return log.read_text(errors="replace")

    trial, says = _through_the_freeze(camera, seconds, words, lambda: FIRST in words())
    found = peer.findings(process, "loop", log, PATIENCE_S)
    masks: list[SeenMask] = []
    for at_ns, band in zip(found["times_ns"], found["bands"], strict=True):
        pixels = np.frombuffer(zlib.decompress(base64.b64decode(band)), np.uint8)
        _add(masks, pixels.reshape(-1, found["width"], 3), at_ns)
    return trial.figures(masks, said(says).replace(camera.url, "the camera"))


def _through_the_freeze(
    camera: NumberedCamera, seconds: float, words: Callable[[], str], started: Callable[[], bool]
) -> tuple[FreezeTrial, str]:
    """The trial's times, and what was added to the words while it was frozen. started: whether there is a mask yet."""
    end = time.monotonic() + PATIENCE_S
    while not started() and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(START_S)
    begin = time.perf_counter_ns()
    time.sleep(seconds)
    before = len(words())
    frozen = time.perf_counter_ns()
    camera.frozen.set()
    time.sleep(FROZEN_S)
    says = words()[before:]
    thawed = time.perf_counter_ns()
    camera.frozen.clear()
    time.sleep(AFTER_S)
    return FreezeTrial(begin, frozen, thawed), says


def _add(masks: list[SeenMask], pixels: Pixels, at_ns: int) -> None:
    try:
        masks.append(SeenMask(at_ns, decode_stamp(pixels)[1]))
    except FrameError:  # no picture of the camera: something in its place
        masks.append(SeenMask(at_ns, 0))
