from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.errors import OutputError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.runtime import Result
from edgeunet_export.verify.mask_agreement import ComparedFrame, MaskComparison
from edgeunet_export.verify.worst_frames import DIFFERENT, write_pictures
from tests.models import toy_spec

SIZE = (64, 96)


def _compared(name: str, different_rows: int) -> ComparedFrame:
    """A grey frame that A takes for road (blue in the picture), B for car in its upper rows."""
    spec = toy_spec(SIZE)
    a, b = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    b[:different_rows] = 1
    letterbox = Letterbox.of(SIZE, spec)
    pixels = np.full((*SIZE, 3), 128, np.uint8)
    return ComparedFrame(name, pixels, Result(a, {}, letterbox), Result(b, {}, letterbox), 1 - different_rows / SIZE[0])


@pytest.fixture
def comparison() -> MaskComparison:
    spec = toy_spec(SIZE)
    return MaskComparison("val", 9, 0.9, (_compared("x.jpg", 10), _compared("y", 5)), None, None, (spec, spec))


def _panels(path: Path) -> list[UInt8]:
    """The four pictures that stand side by side."""
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[0] == SIZE[0]
    step = (picture.shape[1] - SIZE[1]) // 3
    return [np.asarray(picture[:, i * step : i * step + SIZE[1]], dtype=np.uint8) for i in range(4)]


def test_each_frame_is_a_picture_of_four(comparison: MaskComparison, tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "worst", comparison, ("a.onnx", "b.onnx"), force=False)
    assert files == ["worst1.x.png", "worst2.y.png"]
    assert sorted(path.name for path in (tmp_path / "worst").glob("*.png")) == files
    for file, frame, rows in zip(files, comparison.worst, (10, 5), strict=True):
        plain, a, b, difference = _panels(tmp_path / "worst" / file)
        np.testing.assert_array_equal(plain, frame.pixels)
        spec = comparison.specs[0]
        blended = [np.round(0.55 * 128 + 0.45 * np.array(c.color[::-1])) for c in spec.classes]
        np.testing.assert_allclose(a[-1, -1], blended[0], atol=1)
        np.testing.assert_allclose(b[0, -1], blended[1], atol=1)
        np.testing.assert_array_equal((difference == DIFFERENT).all(2), frame.a.mask != frame.b.mask)
        assert (difference[rows:] == 64).all()


def test_a_folder_that_exists_is_left_alone(comparison: MaskComparison, tmp_path: Path) -> None:
    write_pictures(tmp_path / "worst", comparison, ("a", "b"), force=False)
    with pytest.raises(OutputError, match="--force"):
        write_pictures(tmp_path / "worst", comparison, ("a", "b"), force=False)
    assert write_pictures(tmp_path / "worst", comparison, ("a", "b"), force=True)
