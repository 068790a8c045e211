"""`python -m benchmarks.studies.camera.picture_faults FOLDER… -o FILE`: how the check of a live source's picture does.

Video is made from the images in the folders: a window of 640×360 stands still on each scene for some seconds, then
moves over it, and a sensor's noise of 0.3 to 4 of 255 is added, other noise in each frame. One channel is enough: the
check looks at no other. False alarms are counted over all scenes one after another, without a fault: as a camera
delivers them, as JPEG (a camera of MJPEG) and as H.264, which stands still for 20 s (the worst case: it leaves noise
out). Intervals are exact, for a Poisson rate, at 95 %. Then each fault is put into every n-th scene: how many frames
pass until it is found, and in how many scenes it is not found at all. The cost is process time, on one core, of frames
of 1280×720 with three channels, next to that of the whole loop without inference.
"""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from scipy.stats import chi2

from benchmarks.studies.camera.cost import KEPT, cost_of, real_frames
from benchmarks.studies.camera.cost import SIZE as LARGE
from benchmarks.studies.camera.still_drives import FPS, SIGMAS, SIZE, NoisySensor, scenes_of, windows_of
from benchmarks.studies.study import Output, Study, run
from edgeunet.board.machine import processor
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.state.picture_check import PictureCheck
from edgeunet.camera.state.sharpness import EVERY, LEARNING
from edgeunet.cli.common_options import Force
from edgeunet.imaging.pixels import UInt8
from edgeunet.samples import CLIP
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.picture-faults/1")
STILL_S, SCENE_S = 5, 15  # of each scene: standing still, and in all
CODED_STILL_S, CODED_S = 20, 25  # the same of H.264: longer than CODED_FRAMES
PATIENCE = 400  # frames until a fault counts as not found
QUALITIES = (50, 80, 90)  # of JPEG
GOPS = (30, 250)  # frames between key frames
LEARN = LEARNING * EVERY + EVERY


def false_alarms(videos: Iterable[Iterator[UInt8]], *, coded: bool = False) -> dict[str, Any]:
    """Of one camera that sees all videos, one after another."""
    check, frames, before, alarms, wrong = PictureCheck(), 0, "", Counter[str](), 0
    for video in videos:
        for picture in video:
            fault = check.look(picture, coded=coded)
            alarms[fault] += bool(fault and fault != before)
            wrong += bool(fault)
            before, frames = fault, frames + 1
    hours, count = frames / FPS / 3600, alarms.total()
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return {
        "frames": frames,
        "hours": round(hours, 3),
        "alarms": {fault: n for fault, n in alarms.items() if n},
        "frames_in_alarm": wrong,
        "alarms_per_hour": round(count / hours, 3),
        "alarms_per_hour_95": [round(low / hours, 3), round(high / hours, 3)],
    }


def drive(scene: UInt8, number: int, seconds: int = SCENE_S, still_s: int = STILL_S) -> Iterator[UInt8]:
    """What a camera sees of a scene; the number chooses the noise and the speed."""
    sensor = NoisySensor(SIGMAS[number % len(SIGMAS)], seed=number)
    windows = windows_of(scene, speed=1 + number % 4, still=still_s * FPS)
    return map(sensor.see, islice(windows, seconds * FPS))


def real_drive(minutes: int) -> Iterator[UInt8]:
    """A real clip to and fro, with a sensor's noise."""
    sensor = NoisySensor(1.0)
    with open_source(str(CLIP)) as source:
        shown = [cv2.resize(frame.pixels[..., 1], SIZE[::-1]) for frame in iter(source.read, None)]
    there_and_back = cycle([*shown, *shown[-2:0:-1]])
    return (sensor.see(np.asarray(picture, np.uint8)) for picture in islice(there_and_back, minutes * 60 * FPS))


def as_jpeg(pictures: Iterable[UInt8], number: int) -> Iterator[UInt8]:
    quality = QUALITIES[number % len(QUALITIES)]
    for picture in pictures:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        yield np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)[..., None]


def as_h264(pictures: Iterable[UInt8], number: int) -> Iterator[UInt8]:
    """Encoded and decoded again: crf 23, with the encoder's settings for live video."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        options = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "g": str(GOPS[number % len(GOPS)])}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = SIZE
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.repeat(picture, 3, axis=2), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out.seek(0)
    with av.open(out) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24")[..., 1:2]


def coded_drives(scenes: Sequence[tuple[int, UInt8]]) -> Iterator[Iterator[UInt8]]:
    """Every second scene as H.264: it stands still for longer than a coded picture may be the same."""
    for place, (number, scene) in enumerate(scenes[::2]):
        yield as_h264(drive(scene, number, CODED_S, CODED_STILL_S), place)


def lens(radius: float) -> Callable[[UInt8], UInt8]:
    """Out of focus: each point becomes a disc whose radius is this share of the width."""

    def spread(picture: UInt8) -> UInt8:
        side = max(1, round(radius * picture.shape[1]))
        disc = np.zeros((2 * side + 1, 2 * side + 1), np.float32)
        cv2.circle(disc, (side, side), side, 1, cv2.FILLED)
        return np.asarray(cv2.filter2D(picture, -1, disc / disc.sum()), np.uint8)

    return spread


def covered(picture: UInt8) -> UInt8:
    """By a hand or dirt: a dark blur with a 25th of the contrast."""
    return np.asarray(40 + cv2.GaussianBlur(picture, (0, 0), picture.shape[1] / 20) / 25, np.uint8)


SPOILT: dict[str, Callable[[UInt8], UInt8]] = {
    "black": lambda picture: picture // 16,
    "white": lambda picture: 255 - picture // 16,
    "lens covered": covered,
    "out of focus, radius 1.2 % of the width": lens(0.012),
    "out of focus, radius 2.5 % of the width": lens(0.025),
}


def faulty_videos(scene: UInt8, number: int) -> Iterator[tuple[str, Iterator[UInt8], bool]]:
    """Each fault by its name: the pictures from its beginning on, and whether they come from a coded video."""
    sensor = NoisySensor(SIGMAS[number % len(SIGMAS)], seed=number)
    window = next(windows_of(scene))
    for name, spoil in SPOILT.items():
        spoilt = spoil(window)
        yield name, (sensor.see(spoilt) for _ in range(PATIENCE)), False
    seen = sensor.see(window)
    yield "same buffer again", (seen for _ in range(PATIENCE)), False
    yield "same buffer as JPEG, quality changes every 20 frames", _encoded_again(seen), False
    yield "same buffer of a coded video", (seen for _ in range(PATIENCE)), True
    yield "same picture coded as H.264 again", as_h264((seen for _ in range(PATIENCE)), number), True


def _encoded_again(seen: UInt8) -> Iterator[UInt8]:
    for count in range(PATIENCE):
        yield next(as_jpeg([seen], count // 20))


def delays(scenes: list[UInt8]) -> dict[str, Any]:
    """For each fault: after how many of its frames it is found."""
    found: dict[str, list[int]] = {}
    for number, scene in enumerate(scenes):
        for name, pictures, coded in faulty_videos(scene, number):
            check = PictureCheck()
            for picture in drive(scene, number, -(-LEARN // FPS)) if "focus" in name else drive(scene, number, 1):
                check.look(picture, coded=coded)
            after = next((n for n, picture in enumerate(pictures, 1) if check.look(picture, coded=coded)), 0)
            found.setdefault(name, []).append(after)
    return {
        name: {
            "scenes": len(after),
            "found": sum(map(bool, after)),
            "frames_median": median(filter(None, after)) if any(after) else None,
            "frames_most": max(after) or None,
        }
        for name, after in found.items()
    }


def cost(rounds: int = 9, frames: int = 400) -> dict[str, Any]:
    """CPU time of the check, and of the loop without inference, per frame."""
    pictures = [
        np.roll(picture, 8 * n, axis=1) for picture in real_frames() for n in range(6)
    ]  # more than a cache holds
    turns, loops = [], []
    for _ in range(rounds):
        check = PictureCheck()
        begin = time.process_time_ns()
        for n in range(frames):
            check.look(pictures[n % len(pictures)])
        turns.append((time.process_time_ns() - begin) / frames / 1e6)
        loops.append(cost_of(pictures[:KEPT], frames)["cpu_ms_a_frame"])
    return {
        "frame_size": list(LARGE),
        "cpu_ms_a_frame": round(median(turns), 4),
        "cpu_ms_a_frame_most": round(max(turns), 4),
        "loop_without_inference_cpu_ms_a_frame": round(median(loops), 3),
        "share_of_the_loop": round(median(turns) / median(loops), 3),
    }


def measure(folders: list[Path], every: int) -> dict[str, Any]:
    """The content of the result file; the process stays on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    costs = cost()
    scenes = scenes_of(folders)
    some = list(enumerate(scenes))[::every]
    drives = [(n, drive(scene, n)) for n, scene in some]
    return {
        "scenes": len(scenes),
        "noise": list(SIGMAS),
        "processor": processor(),
        "cost": costs,
        "faults": delays([scene for _, scene in some]),
        "false_alarms": {
            "as the camera delivers it": false_alarms(drive(scene, n) for n, scene in enumerate(scenes)),
            "a real clip, to and fro": false_alarms([real_drive(10)]),
            "as JPEG": false_alarms(as_jpeg(video, n) for n, video in drives),
            "as H.264": false_alarms(coded_drives(some), coded=True),
            "as H.264 if it were not known to be coded": false_alarms(coded_drives(some)),
        },
    }


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of road frames.")],
    output: Output,
    every: Annotated[int, typer.Option(min=1, help="Faults, JPEG and H.264 are tried with every n-th scene.")] = 8,
    force: Force = False,
) -> None:
    """Measure what the check finds within how many frames, how often it is wrong, and what it costs."""
    result = STUDY.keep(output, lambda: measure(folders, every), force=force)
    rows = [(name, f"{f['found']} of {f['scenes']}", str(f["frames_most"])) for name, f in result["faults"].items()]
    console.table("", ("fault", "found", "frames at most"), rows)
    for name, alarms in result["false_alarms"].items():
        low, high = alarms["alarms_per_hour_95"]
        console.stdout().print(f"{name}: {alarms['alarms_per_hour']:g} false alarms per hour ({low:g} to {high:g})")
    console.stdout().print(f"{result['cost']['cpu_ms_a_frame']:.3f} ms of one core per frame of {LARGE[1]}×{LARGE[0]}")


if __name__ == "__main__":
    run(main)
