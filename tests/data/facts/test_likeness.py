"""Which pictures count as alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.facts.grey import grey_of
from edgeunet.data.facts.likeness import closest, groups_alike, likeness_of, plain
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import CLIP, DATASET


def pictures() -> list[UInt8]:
    files = sorted((DATASET / "images").glob("*/*.jpg"))
    return [np.asarray(cv2.imread(str(file)), np.uint8) for file in files]


def changed(picture: UInt8) -> UInt8:
    """Smaller, brighter and stored again with losses."""
    half = np.clip(cv2.resize(picture, None, fx=0.5, fy=0.5).astype(float) * 1.2 + 8, 0, 255).astype(np.uint8)
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", half, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR))


def test_a_picture_is_like_itself_in_another_file_and_like_no_other_place() -> None:
    frames = pictures()
    hashes = [likeness_of(frame) for frame in frames]
    assert closest(hashes, [likeness_of(changed(frame)) for frame in frames]).tolist() == list(range(len(frames)))
    assert groups_alike(hashes).tolist() == list(range(len(frames)))
    assert closest(hashes[:4], hashes[4:]).tolist() == [-1] * (len(frames) - 4)


def test_neighbours_in_a_video_are_alike() -> None:
    av = pytest.importorskip("av")
    with av.open(str(CLIP)) as video:
        frames = [f.to_ndarray(format="bgr24") for _, f in zip(range(12), video.decode(video=0), strict=False)]
    assert len(set(groups_alike([likeness_of(f) for f in frames]).tolist())) == 1


def test_groups_join_those_that_are_alike_by_way_of_others() -> None:
    """A slow pan: the first and the last have nothing in common."""
    rng = np.random.default_rng(0)
    wide = np.asarray(cv2.GaussianBlur(rng.integers(0, 256, (160, 800, 3), dtype=np.uint8), (0, 0), 9) * 4, np.uint8)
    pan = [likeness_of(wide[:, k : k + 160]) for k in range(0, 600, 2)]
    assert closest([pan[0]], [pan[-1]]).tolist() == [-1]
    order = rng.permutation(len(pan))
    assert set(groups_alike([pan[i] for i in order]).tolist()) == {0}


def test_plain_pictures_are_like_nothing() -> None:
    black, grey = (np.full((40, 60, 3), value, np.uint8) for value in (0, 128))
    assert likeness_of(black).tolist() == plain().tolist()
    assert groups_alike([likeness_of(black), likeness_of(grey)]).tolist() == [0, 1]
    assert closest([], [plain()]).tolist() == [-1]
    assert closest([plain()], []).tolist() == []


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_and_depth_do_not_matter(channels: int) -> None:
    picture = cv2.cvtColor(pictures()[0], cv2.COLOR_BGR2GRAY)
    frame = np.repeat(picture[..., None], channels, axis=2)
    deep = frame.astype(np.uint16) * 20 + 7000
    assert grey_of(frame).tolist() == picture.tolist()
    assert grey_of(deep).dtype == np.uint8
    assert closest([likeness_of(frame)], [likeness_of(deep)]).tolist() == [0]


def test_the_threshold_lies_between_neighbours_and_other_places() -> None:
    folder = Path(__file__).parents[4] / "shared" / "data" / "camvid" / "images"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it has the frames of a real drive")
    read = {split: sorted((folder / split).iterdir()) for split in ("train", "val")}
    hashes = {s: [likeness_of(np.asarray(cv2.imread(str(f)))) for f in files] for s, files in read.items()}
    assert set(closest(hashes["train"], hashes["val"]).tolist()) == {-1}, "frames of one road, a second apart"
    assert len(set(groups_alike(hashes["val"]).tolist())) == 1, "frames of a video"
