from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.studies.cpu import starts
from edgeunet.errors import EdgeUNetError
from tests.camera.videos import write_numbered
from tests.models import write_toy_model


def test_the_time_to_the_first_mask_is_part_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeunet.samples.CLIP", write_numbered(tmp_path / "clip.mp4", 3))
    assert starts.to_the_first_mask(write_toy_model(tmp_path / "m.onnx")) > 0


def test_a_command_that_fails_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(EdgeUNetError, match="ended with 2"):
        starts.to_the_end("no-such-command")
    with pytest.raises(EdgeUNetError, match="without a mask"):
        starts.to_the_first_mask(tmp_path / "missing.onnx")
