"""Masks of single images: which files are read and written, looked at before anything is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera.predict import predict_images
from edgeunet.errors import OutputError, SourceError, UsageError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import open_session
from edgeunet.runtime.session import Session
from edgeunet.samples import CLIP
from tests.models import toy_mask

SIZE = (32, 48)


@pytest.fixture
def session(model: Path) -> Iterator[Session]:
    with open_session(model, backend="onnxruntime", threads=1) as session:
        yield session


def frame(seed: int = 0, size: tuple[int, int] = SIZE) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def written(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_takes_every_format_and_name_and_leaves_out_what_is_hidden(
    session: Session, model: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for k, name in enumerate(("a.PNG", "b.bmp", "c.tif", "d.ppm")):
        (photos / name).write_bytes(cv2.imencode(Path(name).suffix.lower(), frame(k))[1].tobytes())
    (photos / os.fsdecode(b"e\xff.png")).write_bytes(cv2.imencode(".png", frame(4))[1].tobytes())
    for name in ("._a.png", ".a.1.part.png", "notes.txt"):
        (photos / name).write_bytes(b"no image")
    assert predict_images(session, model, [photos], tmp_path / "out", force=False) == 5
    for k, name in enumerate(("a", "b", "c", "d", os.fsdecode(b"e\xff"))):
        mask = cv2.imdecode(np.fromfile(tmp_path / "out" / f"{name}.mask.png", np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(np.asarray(mask), toy_mask(frame(k)))
    assert len(written(tmp_path / "out")) == 10


def test_an_output_folder_that_is_read_is_refused(session: Session, model: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "a.png"), frame())
    (tmp_path / "link").symlink_to(photos)
    for folder in (photos, photos / ".", tmp_path / "link"):
        for force in (False, True):
            with pytest.raises(UsageError, match=r"--output .* is also INPUT"):
                predict_images(session, model, [photos], folder, force=force)
    assert written(photos) == ["a.png"]


def test_an_output_named_as_an_image_is_refused(session: Session, model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), frame())
    with pytest.raises(UsageError, match=r"mask.png is a folder, for the mask and the overlay of each image"):
        predict_images(session, model, [tmp_path / "a.png"], tmp_path / "mask.png", force=False)
    assert not (tmp_path / "mask.png").exists()


def test_a_folder_with_images_below_names_theirs(session: Session, model: Path, tmp_path: Path) -> None:
    photos = tmp_path / "d" / "images" / "train"
    photos.mkdir(parents=True)
    cv2.imwrite(str(photos / "a.png"), frame())
    with pytest.raises(SourceError, match=f"d has no images, but {photos} has: give that folder"):
        predict_images(session, model, [tmp_path / "d"], tmp_path / "out", force=False)


def test_no_output_is_an_input_or_another_output(session: Session, model: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), frame())
    with pytest.raises(UsageError, match=r"one/a.png and .*two/a.png have the same name"):
        predict_images(session, model, [tmp_path / "one", tmp_path / "two"], tmp_path / "out", force=True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    os.link(tmp_path / "one" / "a.png", tmp_path / "out" / "a.mask.png")
    with pytest.raises(UsageError, match=r"a.mask.png would replace the input .*one/a.png"):
        predict_images(session, model, [tmp_path / "one"], tmp_path / "out", force=True)
    with pytest.raises(OutputError, match="exists already"):
        predict_images(session, model, [tmp_path / "one"], tmp_path / "out", force=False)
    shutil.copy(model, tmp_path / "out" / "b.mask.png")
    assert written(tmp_path / "out") == ["a.mask.png", "b.mask.png"]


def test_force_replaces_only_what_predict_wrote(session: Session, model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), frame())
    for _ in range(2):
        predict_images(session, model, [tmp_path / "a.png"], tmp_path / "out", force=True)
    assert written(tmp_path / "out") == ["a.mask.png", "a.overlay.jpg"]
    for name in written(tmp_path / "out"):
        theirs = tmp_path / "out" / name
        before = theirs.read_bytes()
        cv2.imwrite(str(theirs), frame())  # as an editor saves it
        with pytest.raises(OutputError, match=f"{name} was not written by this version of edgeunet: move it"):
            predict_images(session, model, [tmp_path / "a.png"], tmp_path / "out", force=True)
        theirs.write_bytes(before)


def test_an_image_too_large_for_jpeg_gets_a_png(session: Session, model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), frame(0, (8, 66_000)))
    assert predict_images(session, model, [tmp_path / "wide.png"], tmp_path / "out", force=False) == 1
    assert written(tmp_path / "out") == ["wide.mask.png", "wide.overlay.png"]
    assert np.asarray(cv2.imread(str(tmp_path / "out" / "wide.overlay.png"))).shape == (8, 66_000, 3)


def test_a_video_names_the_command_for_videos(session: Session, model: Path, tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    video = tmp_path / "drive" / "my drive.mp4"
    shutil.copy(CLIP, video)
    for given in (video, video.parent):
        with pytest.raises(SourceError) as told:
            predict_images(session, model, [given], tmp_path / "out", force=False)
        assert f"`edgeunet camera MODEL --source '{video}' --record overlay.mp4`" in str(told.value)


def test_a_faulty_file_is_an_error_before_anything_is_written(session: Session, model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), frame())
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"b.png is not an image$"):
        predict_images(session, model, [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out", force=False)
    assert not (tmp_path / "out").exists()


def test_unused_bits_are_reported(
    session: Session, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), frame().astype(np.uint16) * 200)
    predict_images(session, model, [tmp_path / "a.png"], tmp_path / "out", force=False)
    assert "1 image(s) have more than 8 bits per channel, of which the upper 8 are used" in capsys.readouterr().err
