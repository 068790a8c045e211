from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.camera import defaults
from edgeunet.camera.defaults import default_model, default_source
from edgeunet.camera.listing import Camera
from edgeunet.errors import ModelFileError, SourceError


def test_the_faster_of_the_demos_models_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError, match="make demo"):
        default_model()
    folder = tmp_path / "runs" / "demo"
    folder.mkdir(parents=True)
    for name in ("fp32.onnx", "int8.onnx"):
        (folder / name).touch()
        assert default_model() == Path("runs/demo") / name


def test_the_first_camera_that_can_be_opened_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Camera("/dev/video0", "", problem="permission denied; sudo usermod -aG video $USER")
    cameras = [closed, Camera("/dev/video2", "Front"), Camera("csi://0", "imx219")]
    monkeypatch.setattr(defaults, "list_cameras", lambda: cameras)
    assert default_source() == "/dev/video2"
    del cameras[1:]
    with pytest.raises(SourceError, match=r"/dev/video0: permission denied; sudo .* --source"):
        default_source()
    cameras.clear()
    with pytest.raises(SourceError, match=r"this machine has none.* synthetic://"):
        default_source()
