"""The wheel and the source archive: whole, and every command works from them in a folder far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.datasets import write_dataset

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PACKAGES = ("edgeunet", "edgeunet_bench", "edgeunet_export")
EVERY_MODULE = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(package.__file__)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blanks in a path are where quoting fails."""
    folder = tmp_path_factory.mktemp("wheel") / "far from the checkout"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def built(folder: Path) -> tuple[Path, Path]:
    """(wheel, source archive)"""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder / "dist"], cwd=ROOT, check=True)
    (wheel,), (source,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return wheel, source


class Venv:
    """A virtual environment with the wheel in it, and the libraries of the one that runs the tests."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.folder, self.bin = folder, folder / "venv" / "bin"
        (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
        # Packages of this folder are found, and its own .pth files, which name the checkout, are not read.
        (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        pip = (sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet")
        subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)

    def run(self, *words: str | Path) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        program, *rest = words
        command = [self.bin / program, *rest]
        ran = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, (words, ran.stderr)
        return ran.stdout


@pytest.fixture(scope="module")
def venv(folder: Path, built: tuple[Path, Path]) -> Venv:
    return Venv(folder, built[0])


def test_wheel_takes_no_general_name(built: tuple[Path, Path]) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(built[0]).namelist()}
    assert sorted(top for top in tops if not top.endswith(".dist-info")) == list(PACKAGES)


def test_wheel_has_the_kernels(built: tuple[Path, Path]) -> None:
    assert "edgeunet/runtime/gpu/kernels/kernels.ptx" in zipfile.ZipFile(built[0]).namelist()


def test_source_archive_has_what_git_has(built: tuple[Path, Path]) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    kept = {name for name in listed.split("\0") if name and not name.startswith(".ci/") and (ROOT / name).exists()}
    with tarfile.open(built[1]) as archive:
        assert kept - {name.partition("/")[2] for name in archive.getnames()} == set()
        assert not [name for name in archive.getnames() if name.split("/")[1] in ("runs", ".ci", ".venv", "dist")]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_is_there_and_the_wheels(venv: Venv, package: str) -> None:
    home = Path(venv.run("python", "-c", EVERY_MODULE, package).strip())
    assert venv.bin.parent in home.parents


def test_command_starts(venv: Venv) -> None:
    assert venv.run("edgeunet", "--version").startswith("edgeunet ")
    assert "camera" in venv.run("edgeunet", "-h")
    assert "usage" in venv.run("python", "-m", "edgeunet", "--help").lower()


@pytest.mark.timeout(600)
def test_every_step_from_frames_to_a_report(venv: Venv) -> None:
    data = write_dataset(venv.folder / "my frames", train=6, val=3, size=(64, 96))
    clip = venv.run("python", "-c", "from edgeunet.samples import CLIP; print(CLIP)").strip()
    small = ("--size", "64x96", "--steps", "4", "--batch", "2")
    venv.run("edgeunet", "train", data, "-o", "my run", "--model", "nano", *small)
    venv.run("edgeunet", "export", "onnx", "my run/best.pt", "-o", "fp32.onnx")
    venv.run("edgeunet", "export", "fp16", "fp32.onnx", "-o", "fp16.onnx", "--images", "4")
    int8 = ("--data", data, "--target", "openvino", "--max-drop", "100", "--calib-images", "4")
    venv.run("edgeunet", "export", "int8", "fp32.onnx", *int8, "-o", "int8.onnx")
    venv.run("edgeunet", "evaluate", "int8.onnx", data, "-o", "scores.json", "--report", "mistakes.html")
    venv.run("edgeunet", "predict", "int8.onnx", data / "images" / "val", "-o", "masks")
    venv.run("edgeunet", "camera", "int8.onnx", "--source", clip, "--record", "overlay.mp4", "--max-frames", "5")
    venv.run("edgeunet", "bench", "run", "int8.onnx", "--seconds", "0.5", "-o", "latency.json")
    venv.run("edgeunet", "bench", "report", "latency.json", "--scores", "scores.json", "-o", "report.html")
    made = {"mistakes.html", "overlay.mp4", "report.html", "masks"}
    assert made <= {path.name for path in venv.folder.iterdir()}
    assert "int8" in venv.run("edgeunet", "info", "int8.onnx")
    samples = venv.run("python", "-c", "from edgeunet.samples import DATASET; print(DATASET)").strip()
    assert "train" in venv.run("edgeunet", "data", "stats", samples)
    assert "Python" in venv.run("edgeunet", "doctor")
