from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from edgeunet.camera.frame import Shot
from edgeunet.camera.sinks.routing import by_source, suffixes, with_suffix
from edgeunet.samples import CLIP
from tests.camera.shots import shot_of


class Keep:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    def write(self, shot: Shot) -> None:
        self.numbers.append(shot.frame.number)


def test_each_shot_goes_to_the_sink_of_its_source() -> None:
    left, right = Keep(), Keep()
    with by_source({"left": nullcontext(left), "right": nullcontext(right)}) as sink:
        for number, source in enumerate(("left", "right", "left")):
            sink.write(shot_of(np.zeros((4, 4, 3), np.uint8), number=number, source=source))
    assert (left.numbers, right.numbers) == ([0, 2], [1])


def test_files_of_one_source_keep_their_name_and_those_of_several_differ() -> None:
    assert suffixes(["camera 0"]) == {"camera 0": ""}
    several = suffixes(["camera 0", "camera/0", str(CLIP), "rtsp://10.0.0.5:554/a b?c=../..", "..", "Straße"])
    assert list(several.values()) == [
        "-camera-0",
        "-camera-0-2",
        "-highway",
        "-rtsp-10.0.0.5-554-a-b-c",
        "-source",
        "-Stra-e",
    ]
    assert with_suffix(Path("a/out.mp4"), "-camera-0") == Path("a/out-camera-0.mp4")
    assert with_suffix(Path(), "") == Path()  # to be refused for its ending
