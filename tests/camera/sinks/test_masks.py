from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera.sinks.masks import MaskFolder, check_masks
from edgeunet.errors import OutputError
from tests.camera.shots import shot_of
from tests.models import toy_spec

PICTURE = np.zeros((97, 131, 3), np.uint8)


def test_every_mask_is_a_png_of_class_indices_at_the_frame_s_size(tmp_path: Path) -> None:
    mask = np.zeros(toy_spec().input_size, np.uint8)
    mask[:, 24:] = 2
    sink = MaskFolder(tmp_path / "new" / "masks", {"fake": ""})
    for number in (0, 7):
        sink.write(shot_of(PICTURE, number=number, mask=mask))
    assert sorted(p.name for p in (tmp_path / "new" / "masks").iterdir()) == ["000000.png", "000007.png"]
    saved = cv2.imread(str(tmp_path / "new" / "masks" / "000007.png"), cv2.IMREAD_UNCHANGED)
    assert saved is not None
    assert saved.shape == (97, 131)
    assert saved.dtype == np.uint8
    assert (saved[:, :60] == 0).all()
    assert (saved[:, 70:] == 2).all()


def test_masks_of_several_sources_say_whose_they_are(tmp_path: Path) -> None:
    sink = MaskFolder(tmp_path, {"camera 0": "-camera-0", "camera 1": "-camera-1"})
    for source in ("camera 0", "camera 1"):
        sink.write(shot_of(PICTURE, source=source))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000-camera-0.png", "000000-camera-1.png"]


def test_masks_that_exist_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "000003.png").write_bytes(b"older")
    with pytest.raises(OutputError, match=r"has PNG files already \(000003.png\): give another folder"):
        check_masks(tmp_path, force=False)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        check_masks(tmp_path / "file", force=True)


def test_force_replaces_only_masks_that_this_sink_wrote(tmp_path: Path) -> None:
    MaskFolder(tmp_path, {"fake": ""}).write(shot_of(PICTURE, number=3))
    (tmp_path / "photo.png").write_bytes(b"gets no mask")
    check_masks(tmp_path, force=True)
    for number, suffix in ((4, ""), (1_000_000, "-drive")):
        theirs = tmp_path / f"{number:06d}{suffix}.png"
        cv2.imwrite(str(theirs), PICTURE)
        with pytest.raises(OutputError, match=f"{theirs.name} was not written by this version of edgeunet: move it"):
            check_masks(tmp_path, force=True)
        theirs.unlink()


def test_a_full_disk_is_one_error_and_leaves_no_half_mask(small_disk: Path) -> None:
    rng = np.random.default_rng(0)
    sink = MaskFolder(small_disk, {"fake": ""})

    def write(count: int) -> None:
        for number in range(count):
            mask = rng.integers(0, 3, toy_spec().input_size, np.uint8)
            sink.write(shot_of(np.zeros((600, 800, 3), np.uint8), number=number, mask=mask))

    with pytest.raises(OutputError, match="no space left on device; free some space"):
        write(1000)
    masks = sorted(small_disk.iterdir())
    assert [p.name for p in masks] == [f"{number:06d}.png" for number in range(len(masks))]
    assert len(masks) > 3
    assert all(cv2.imread(str(p)) is not None for p in masks)
