from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import SourceError
from tests.camera.videos import SIZE, number_of, numbered


def write(path: Path, number: int, size: tuple[int, int] = SIZE) -> Path:
    assert cv2.imwrite(str(path), numbered(number, size))
    return path


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_image_is_one_frame(tmp_path: Path, prefix: str) -> None:
    path = write(tmp_path / "a.png", 9)
    with open_source(f"{prefix}{path}") as source:
        assert (source.live, source.size, source.fps, source.frame_count) == (False, SIZE, 0.0, 1)
        frame = source.read()
        assert frame is not None
        assert number_of(frame.pixels) == 9
        assert source.read() is None


def test_a_folder_s_images_come_by_name_and_of_any_size(tmp_path: Path) -> None:
    write(tmp_path / "b.JPG", 2)
    write(tmp_path / "a.png", 1)
    write(tmp_path / "c.jpeg", 3, (384, 512))
    (tmp_path / "notes.txt").write_text("no image")
    with open_source(str(tmp_path)) as source:
        assert (source.size, source.frame_count) == (SIZE, 3)
        frames = list(iter(source.read, None))
    assert [frame.pixels.shape[:2] for frame in frames] == [SIZE, SIZE, (384, 512)]
    assert [number_of(frame.pixels) for frame in frames[:2]] == [1, 2]
    assert source.size == (384, 512)


def test_damaged_image_is_skipped_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 1)
    (tmp_path / "b.png").write_bytes(b"damaged")
    write(tmp_path / "c.png", 3)
    with open_source(str(tmp_path)) as source:
        frames = list(iter(source.read, None))
    assert [(frame.number, number_of(frame.pixels)) for frame in frames] == [(0, 1), (2, 3)]
    assert source.corrupt == 1


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no images \(\.jpg"):
        open_source(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"damaged")
    for address in (tmp_path, tmp_path / "a.png"):
        with pytest.raises(SourceError, match=r"a\.png is not an image"):
            open_source(str(address))
    with pytest.raises(SourceError, match="no such video file, image or folder"):
        open_source(str(tmp_path / "missing.png"))
