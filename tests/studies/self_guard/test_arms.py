"""The arms of the self-guard, in real processes: they run the tree that they are told to, and see it slow down."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.self_guard.anchor import NoAnchorError, extract
from benchmarks.studies.self_guard.tree import CHECKOUT, argv
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import EdgeUNetError
from edgeunet.runtime import open_session
from edgeunet.samples import DATASET
from edgeunet_bench.guard.baseline import FOLDER, load_baseline
from edgeunet_bench.guard.running.worker import Worker

SLOW = """
def _later(call):
    def slow(*arguments):
        time.sleep(0.3)
        return call(*arguments)
    return slow


Session.run, Session.submit = _later(Session.run), _later(Session.submit)
"""


@pytest.fixture(scope="module")
def slow_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code in which every session takes 300 ms longer, which no busy machine adds to each call."""
    tree = tmp_path_factory.mktemp("slow")
    for package in ("edgeunet", "export"):
        shutil.copytree(CHECKOUT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tree / "edgeunet" / "runtime" / "session.py").open("a") as file:
        file.write(SLOW)
    return tree


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the last release."""
    tree = tmp_path_factory.mktemp("release")
    try:
        extract(CHECKOUT, load_baseline(CHECKOUT / FOLDER, "release").commit, tree)
    except NoAnchorError as error:
        pytest.skip(str(error))
    return tree


def median_ms(command: list[str]) -> float:
    with Worker(command) as worker:
        worker.ready()
        return float(np.median(worker.measure(5)))


def test_the_camera_arm_measures_the_loop_of_its_tree(slow_tree: Path) -> None:
    assert median_ms(argv("camera_arm", slow_tree)) > 300
    with Worker(argv("camera_arm", CHECKOUT)) as worker:
        worker.ready()
        assert worker.measure(20).min() < 300


@pytest.mark.slow
def test_the_inference_arm_runs_the_network_that_its_tree_exports(slow_tree: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    subprocess.run(argv("network", CHECKOUT, str(model)), check=True, capture_output=True)
    with open_session(model) as session:
        assert session.spec.input_size == (256, 320)
        assert session.spec.provenance.precision == "fp32"
        assert session.spec.names == DatasetFolder.open(DATASET).names
    quick, slow = (Worker(argv("inference_arm", tree, str(model))) for tree in (CHECKOUT, slow_tree))
    with quick, slow:
        assert quick.ready()["threads"] == slow.ready()["threads"] == "1"
        assert slow.measure(5).min() > 300 > quick.measure(5).min()


def test_an_arm_that_would_run_other_code_says_so(tmp_path: Path) -> None:
    (tmp_path / "edgeunet").mkdir()  # no package: Python finds the next one
    with Worker(argv("camera_arm", tmp_path)) as worker, pytest.raises(EdgeUNetError, match="edgeunet comes from"):
        worker.ready()


def test_an_arm_that_would_run_another_exporter_says_so(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "edgeunet", tmp_path / "edgeunet", ignore=shutil.ignore_patterns("__pycache__"))
    with Worker(argv("camera_arm", tmp_path)) as worker, pytest.raises(EdgeUNetError, match="edgeunet_export comes fr"):
        worker.ready()


@pytest.mark.slow
def test_every_arm_runs_on_the_code_of_the_release(release: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    subprocess.run(argv("network", release, str(model)), check=True, capture_output=True)
    for command in (argv("inference_arm", release, str(model)), argv("camera_arm", release)):
        assert median_ms(command) > 0
