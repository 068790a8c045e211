from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.board.cameras import Camera
from edgeunet.camera import defaults
from edgeunet.camera.defaults import default_model, default_sources, given_token
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
    assert default_sources({}) == ("/dev/video2",)
    del cameras[1:]
    with pytest.raises(SourceError, match=r"/dev/video0: permission denied; sudo .* --source"):
        default_sources({})
    cameras.clear()
    with pytest.raises(SourceError, match=r"this machine has none.* synthetic://"):
        default_sources({})


def test_the_environment_names_sources_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "list_cameras", lambda: [Camera("/dev/video2", "Front")])
    given = {"EDGEUNET_SOURCE": "rtsp://a:b c@10.0.0.5/x\n\n  clips/my drive.mp4 \n"}
    assert default_sources(given) == ("rtsp://a:b c@10.0.0.5/x", "clips/my drive.mp4")
    assert default_sources({"EDGEUNET_SOURCE": " \n"}) == ("/dev/video2",)


def test_an_empty_token_of_the_environment_is_not_none() -> None:
    assert given_token(None, {}) is None
    assert given_token(None, {"EDGEUNET_TOKEN": ""}) == ""
    assert given_token("from the option", {"EDGEUNET_TOKEN": ""}) == "from the option"
