from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.stamp import decode_stamp
from edgeunet.camera.sources.synthetic import COLORS, synthetic_mask
from edgeunet.errors import FrameError, UsageError

SIZE = (240, 320)
FILE = "synthetic://?width=320&height=240&fps=0"


def frames_of(source: Source) -> list[Frame]:
    with source:
        return list(iter(source.read, None))


def test_as_a_file_every_frame_comes_with_its_number_and_time_in_the_pixels() -> None:
    source = open_source(f"{FILE}&seconds=2")
    assert (source.live, source.size, source.fps, source.frame_count) == (False, SIZE, 30.0, 60)
    frames = frames_of(source)
    assert [frame.number for frame in frames] == list(range(60))
    assert [decode_stamp(frame.pixels) for frame in frames] == [(f.number, f.captured_ns) for f in frames]


def test_live_it_keeps_to_the_clock_and_loses_what_nobody_reads() -> None:
    with open_source("synthetic://?width=320&height=240&fps=200&seconds=60") as source:
        assert (source.live, source.fps, source.frame_count) == (True, 200.0, 12_000)
        first, second = source.read(), source.read()
        assert first is not None
        assert second is not None
        assert (second.captured_ns - first.captured_ns) / (second.number - first.number) == pytest.approx(5e6, abs=2)
        while time.perf_counter_ns() < second.captured_ns + 50_000_000:  # ten frames that nobody reads
            pass
        late = source.read()
        assert late is not None
        assert late.number >= second.number + 10
        assert late.captured_ns == first.captured_ns + late.number * 5_000_000
        assert decode_stamp(late.pixels) == (late.number, late.captured_ns)


def test_closing_it_ends_a_read_that_waits() -> None:
    with open_source("synthetic://?width=320&height=240&fps=0.01") as source:
        assert source.read() is not None
        source.close()
        assert source.read() is None


def test_mask_is_that_of_the_moving_scene() -> None:
    masks = [synthetic_mask(number, SIZE) for number in (0, 1, 7)]
    assert {int(value) for value in np.unique(masks[0])} == {0, 1, 2, 3}
    np.testing.assert_array_equal(masks[2][:, :-56], np.roll(masks[0], -56, axis=1)[:, :-56])
    for frame in frames_of(open_source(f"{FILE}&seconds=0.5")):
        shown = slice(80, 180)  # between the sky and the stamp, give or take the grain
        expected = COLORS[synthetic_mask(frame.number, SIZE)[shown]].astype(int)
        assert np.abs(frame.pixels[shown] - expected).max() <= 12


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (641, 481), (1280, 720)], ids=str)
def test_stamp_outlives_jpeg_and_an_overlay(size: tuple[int, int]) -> None:
    width, height = size
    with open_source(f"synthetic://?width={width}&height={height}&fps=0") as source:
        frame = source.read()
    assert frame is not None
    drawn = cv2.addWeighted(frame.pixels, 0.4, np.full_like(frame.pixels, (250, 20, 120)), 0.6, 0.0)
    decoded = cv2.imdecode(cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert decode_stamp(np.asarray(decoded, np.uint8)) == (0, frame.captured_ns)


def test_stamp_outlives_h264(tmp_path: Path) -> None:
    import av

    frames = frames_of(open_source(f"{FILE}&seconds=0.5"))
    path = tmp_path / "stamped.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.pixels, format="bgr24")))
        container.mux(stream.encode(None))
    stamps = [decode_stamp(frame.pixels) for frame in frames_of(open_source(str(path)))]
    assert stamps == [(frame.number, frame.captured_ns) for frame in frames]


def test_picture_without_a_stamp_is_recognised() -> None:
    for pixels in (np.zeros((240, 320, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(FrameError, match="no stamp"):
            decode_stamp(pixels)


def test_picture_without_room_for_the_stamp_is_refused() -> None:
    with pytest.raises(UsageError, match="160×120 has no room"):
        open_source("synthetic://?width=160&height=120")
