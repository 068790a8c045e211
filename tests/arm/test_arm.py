"""What check-arm says where it cannot run, and which masks it refuses; the check itself takes minutes and root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.arm import compare_masks

SCRIPT = Path(__file__).with_name("arm.sh")


@pytest.mark.skipif(sys.platform != "linux", reason="a script for Linux")
@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("uname", "aarch64", "it compares with x86-64, and this machine is aarch64"),
        ("id", "1000", "root is needed"),
        ("unshare", "", "mounts in a namespace of its own are not allowed here"),
    ],
)
def test_where_it_cannot_run_it_says_why(command: str, answer: str, reason: str, tmp_path: Path) -> None:
    answers = {"uname": "x86_64", "id": "0", "apt-get": "", "dpkg": "", "unshare": "", command: answer}
    for name, said in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {said}\nexit {int(name == 'unshare')}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", SCRIPT, tmp_path / "new"], env=environment, capture_output=True, text=True, check=True
    )
    assert f"check-arm NOT RUN: {reason}" in done.stdout
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changed", "code"),
    [({}, 0), ({"int8-onnxruntime": 2}, 0), ({"int8-onnxruntime": 3}, 1), ({"fp32-onnxruntime": 1}, 1)],
)
def test_masks_that_differ_too_much_are_refused(changed: dict[str, int], code: int, tmp_path: Path) -> None:
    for side in ("x86", "arm"):
        for name in compare_masks.LEAST:
            mask = np.zeros((20, 60), np.uint8)
            if side == "arm":
                mask.flat[: changed.get(name, 0)] = 1
            (tmp_path / side / name).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / side / name / "a.mask.png"), mask)
    assert compare_masks.main(tmp_path / "x86", tmp_path / "arm") == code
