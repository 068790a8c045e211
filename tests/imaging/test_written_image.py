from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.errors import OutputError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.written_image import require_written, write_image

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("image", [NOISE, NOISE[..., 0]], ids=["color", "grey"])
def test_every_reader_sees_the_pixels_and_the_name(tmp_path: Path, ending: str, image: UInt8) -> None:
    path, plain = tmp_path / f"ours{ending}", tmp_path / f"theirs{ending}"
    write_image(path, image)
    cv2.imwrite(str(plain), image)
    ours_read, theirs_read = (np.asarray(cv2.imread(str(p), cv2.IMREAD_UNCHANGED)) for p in (path, plain))
    assert np.array_equal(ours_read, theirs_read)
    with Image.open(path) as ours, Image.open(plain) as theirs:
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))
        assert ours.info.get("Software", ours.info.get("comment")) in ("edgeunet", b"edgeunet")
    require_written(path)
    require_written(tmp_path / f"absent{ending}")
    with pytest.raises(OutputError, match=f"theirs{ending} was not written by this version of edgeunet"):
        require_written(plain)
