"""`python -m benchmarks.studies.camera.video_reading -o FILE`: reading a video with PyAV against OpenCV, in fps.

Both arms read the same clip from its first frame to its last, each frame as BGR pixels in memory, in one process and
in turn; each round gives one ratio: so that the machine's own changes cancel. Before that every pixel of both is
compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import av
import cv2
import numpy as np
import typer

from benchmarks.studies.study import Output, Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.sources.capture.opencv import silence
from edgeunet.camera.sources.opening import open_source
from edgeunet.cli.common_options import Force
from edgeunet.samples import CLIP
from edgeunet.utils import console
from edgeunet.utils.files import sha256

STUDY = Study(__doc__ or "", "edgeunet.video_reading/1")


def by_pyav(clip: Path) -> int:
    """Read all frames as the camera does; how many there are."""
    with open_source(str(clip)) as source:
        return sum(1 for _ in iter(source.read, None))


def by_opencv(clip: Path) -> int:
    """Read all frames as tutorials do; how many there are."""
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG)
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def differing_frames(clip: Path) -> int:
    """How many frames of the clip are not equal in every pixel."""
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG)
    with open_source(str(clip)) as source:
        differing = sum(not np.array_equal(frame.pixels, capture.read()[1]) for frame in iter(source.read, None))
    capture.release()
    return differing


def compare_readers(clip: Path, rounds: int) -> dict[str, Any]:
    """Measure both readers `rounds` times in turn and return the content of the result file."""
    silence()
    differing = differing_frames(clip)
    turns = []
    for index in rounds_of(rounds):
        arms = {"pyav": by_pyav, "opencv": by_opencv}
        order = list(arms) if index % 2 else list(reversed(arms))
        turn = {name: _measure(arms[name], clip) for name in order}
        (pyav_fps, pyav_ms), (opencv_fps, opencv_ms) = turn["pyav"], turn["opencv"]
        turns.append(
            {
                "pyav_fps": pyav_fps,
                "opencv_fps": opencv_fps,
                "ratio": pyav_fps / opencv_fps,
                "pyav_cpu_ms": pyav_ms,
                "opencv_cpu_ms": opencv_ms,
            }
        )
    return {
        "clip": clip.name,
        "clip_sha256": sha256(clip),
        "pyav": av.__version__,
        "opencv": cv2.__version__,
        "machine": fingerprint({}),
        "differing_frames": differing,
        "median_pyav_fps": median(turn["pyav_fps"] for turn in turns),
        "median_opencv_fps": median(turn["opencv_fps"] for turn in turns),
        "median_ratio": median(turn["ratio"] for turn in turns),
        "median_pyav_cpu_ms": median(turn["pyav_cpu_ms"] for turn in turns),
        "median_opencv_cpu_ms": median(turn["opencv_cpu_ms"] for turn in turns),
        "rounds": turns,
    }


def _measure(read: Callable[[Path], int], clip: Path) -> tuple[float, float]:
    """Frames per second, and CPU time of all threads in ms per frame."""
    begin, used = time.perf_counter(), time.process_time()
    count = read(clip)
    return count / (time.perf_counter() - begin), (time.process_time() - used) * 1000 / count


def main(
    output: Output,
    source: Annotated[Path, typer.Option(help="Video that both read.")] = CLIP,
    rounds: Rounds = 20,
    force: Force = False,
) -> None:
    """Compare reading a video file with PyAV and with OpenCV, in frames per second."""
    result = STUDY.keep(output, lambda: compare_readers(source, rounds), force=force, inputs=[source])
    console.stdout().print(
        f"median ratio {result['median_ratio']:.3f} (PyAV {result['median_pyav_fps']:.1f}, "
        f"OpenCV {result['median_opencv_fps']:.1f} frames/s), CPU time {result['median_pyav_cpu_ms']:.2f} against "
        f"{result['median_opencv_cpu_ms']:.2f} ms per frame, {result['differing_frames']} frames differ"
    )


if __name__ == "__main__":
    run(main)
