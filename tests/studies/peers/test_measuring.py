"""What is measured of the files: masks of the peer's files, times side by side, and what a coarse head costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.studies.peers import bare_network, head_cost
from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.kept_networks import KeptNetwork
from benchmarks.studies.peers.peer_session import PeerSession, onnxruntime_infer, openvino_infer
from benchmarks.studies.peers.unseen_drive import scores_of_files
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.evaluation.boundary import boundary_f1
from edgeunet.spec import ModelSpec
from tests.datasets import write_dataset
from tests.models import toy_mask, toy_spec, write_toy_model

SIZE = (32, 48)
OURS = KeptNetwork("nano", Path("nano"), Path("nano/best.pt"), 1.0)


def test_their_network_gets_red_first_from_0_to_1_and_grey_bars() -> None:
    seen: list[NDArray[np.float32]] = []

    def infer(value: NDArray[np.float32]) -> NDArray[np.int64]:
        seen.append(value)
        return np.asarray(value.argmax(1), np.int64)

    frame = np.zeros((24, 48, 3), np.uint8)
    frame[:, :, 0] = 255  # blue
    mask = PeerSession(infer, toy_spec().classes, SIZE).segment(frame)
    assert seen[0].shape == (1, 3, *SIZE)
    assert seen[0].dtype == np.float32
    assert seen[0][0, :, 16, 10].tolist() == [0, 0, 1]
    np.testing.assert_allclose(seen[0][0, :, 0, 0], 114 / 255, rtol=1e-6)
    assert (mask == 2).all()
    assert mask.shape == (24, 48)


def test_each_runtime_gives_the_masks_of_a_file(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "toy.onnx")
    frame = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    for infer in (openvino_infer(path), onnxruntime_infer(path)):
        assert (infer(frame[None])[0] == toy_mask(frame)).all()


def test_every_file_of_a_network_has_its_times_and_its_share_of_the_peers(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "toy.onnx")
    files = [ExportedFiles(OURS, path, None, {"int8": "no"})]
    arms = bare_network.arms_of(files, np.zeros((36, 48, 3), np.uint8), toy_spec().classes, SIZE)
    assert {kind for _, kind in arms} == {"OpenVINO f32", "OpenVINO bf16", "ONNX Runtime fp32"}
    found = bare_network.bare_times(arms, 3)
    assert all(times["wall_ms"] > 0 for times in found["times"]["nano"].values())
    assert found["cpu_ratio"] == {}


def test_a_ratio_is_above_1_where_ours_takes_less() -> None:
    def spin(count: int) -> int:
        return sum(range(count))

    kind = "OpenVINO f32"
    arms = {("yolo26n-sem", kind): lambda: spin(400_000), ("nano", kind): lambda: spin(100_000)}
    found = bare_network.bare_times(arms, 9)
    assert list(found["cpu_ratio"]) == ["yolo26n-sem / nano"]
    assert found["cpu_ratio"]["yolo26n-sem / nano"][kind] > 1.5


def test_a_file_that_is_missing_says_why_and_int8_what_it_lost(tmp_path: Path) -> None:
    frames = write_dataset(tmp_path / "frames")
    data = DatasetFolder.open(frames)
    right = write_toy_model(tmp_path / "fp32.onnx", ModelSpec(data.classes, (48, 64)))
    other = write_toy_model(tmp_path / "int8.onnx", ModelSpec(data.classes, (48, 64)), order=(1, 2, 0))
    found = scores_of_files(ExportedFiles(OURS, right, other, {}), frames, data.classes, (48, 64))
    lost = 100 * (found["fp32"]["miou"] - found["int8"]["miou"])
    assert found["int8"]["lost_points"] == pytest.approx(lost, abs=0.02)
    assert lost != 0
    found = scores_of_files(ExportedFiles(OURS, right, None, {"int8": "refused"}), frames, data.classes, (48, 64))
    assert found["int8"] == {"missing": "refused"}


def test_a_coarse_head_keeps_large_shapes_and_loses_thin_ones() -> None:
    label = np.zeros((64, 64), np.uint8)
    label[:32, :32] = 1  # on the grid of every head
    label[:, 50] = 2  # a pole
    assert (head_cost.through_head(label, 3, 1) == label).all()
    coarse = head_cost.through_head(label, 3, 8)
    assert not (coarse == 2).any()
    assert (coarse[:28, :28] == 1).all()
    outlines = [np.nanmean(boundary_f1(label, head_cost.through_head(label, 3, n), 3, radius=1)) for n in (1, 4, 16)]
    assert outlines == sorted(outlines, reverse=True)


def test_ceilings_are_1_at_full_resolution_and_fall_from_there(tmp_path: Path) -> None:
    samples = load_split(DatasetFolder.open(write_dataset(tmp_path / "frames")), "val", quiet=True)
    found = head_cost.ceilings(samples, 3)
    assert found["1/1"] == {"miou": 1.0, "mean_boundary_f1": 1.0}
    mious = [each["miou"] for each in found.values()]
    assert list(found) == ["1/1", "1/2", "1/4", "1/8", "1/16"]
    assert mious == sorted(mious, reverse=True)
    assert mious[-1] < 0.9


def test_the_time_of_a_network_is_divided_by_the_resolution_of_its_layers(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "toy.onnx", toy_spec((256, 320)))
    shares = head_cost.time_by_resolution(model, (256, 320))
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert shares["1/1"] > 0.9
