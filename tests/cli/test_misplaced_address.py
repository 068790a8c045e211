from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from edgeunet.cli.misplaced_address import require_no_address
from edgeunet.errors import UsageError
from tests.commands import Run

ADDRESS = "rtsp://admin:S3crt@10.0.0.5/front?key=S3crt"


@pytest.mark.parametrize(
    "line",
    [
        f"predict model.onnx {ADDRESS} -o out",
        f"camera {ADDRESS}",
        f"camera model.onnx --source 0 --record {ADDRESS}",
        f"camera model.onnx --source 0 --record={ADDRESS}",
        f"info {ADDRESS.replace('//', '/')}",
        f"info model.onnx {ADDRESS}",
        "camera 'gst:rtspsrc location=rtsp://10.0.0.5/x user-pw=S3crt ! appsink'",
    ],
)
def test_an_address_in_place_of_a_file_is_refused_without_its_password(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*shlex.split(line))
    assert ran.code == 2
    assert ran.err.endswith("for a camera or a stream: `edgeunet camera MODEL --source ADDRESS`\n")
    assert "S3crt" not in ran.out + ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        f"camera model.onnx --source {ADDRESS} --source={ADDRESS} --serve http://0.0.0.0:8080",
        "bench compare --command 'curl http://10.0.0.5/' --command=http://10.0.0.5/",
        "train data/a:b@c -o runs/lr=0.1:x --record 12:30:05.mp4",
    ],
)
def test_other_words_may_have_any_form(line: str) -> None:
    words = shlex.split(line)
    assert require_no_address(words) == words


def test_a_file_that_exists_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rec:").mkdir()
    with pytest.raises(UsageError, match=r"^rec:/a.mp4 is an address"):
        require_no_address(["predict", "rec:/a.mp4"])
    (tmp_path / "rec:" / "a.mp4").touch()
    assert require_no_address(["predict", "rec:/a.mp4"])
