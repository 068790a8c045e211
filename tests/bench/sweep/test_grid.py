from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeunet.errors import ModelFileError, UsageError
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import UNetConfig
from edgeunet_bench.sweep.grid import SweepOptions, expand, require_files, told_apart
from tests.export.networks import save_network
from tests.models import write_toy_model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = UNetConfig(classes=5, features=(8, 16), up="nearest")
    return save_network(tmp_path_factory.mktemp("run") / "net.pt", config, (64, 96))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"backends": ("onnxruntime", "tflite")}, "tflite"),
        ({"backends": ("openvino", "openvino")}, "backends"),
        ({"threads": (0,)}, "thread"),
        ({"threads": (2, 2)}, "threads"),
        ({"sizes": ((8, 8), (8, 8))}, "sizes"),
        ({"seconds": 0}, "seconds"),
        ({"budget_ms": -1.0}, "budget"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        SweepOptions(**options)


def test_files_that_are_wrong_from_the_start_are_named(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "toy.onnx")
    with pytest.raises(ModelFileError, match="none"):
        require_files([model, tmp_path / "none.onnx"], SweepOptions())
    with pytest.raises(UsageError, match="twice"):
        require_files([model, tmp_path / "." / "toy.onnx"], SweepOptions())
    with pytest.raises(UsageError, match="--sizes"):
        require_files([model], SweepOptions(sizes=((32, 48),)))


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "m.onnx", tmp_path / "b" / "m.onnx", tmp_path / "n.onnx"]
    assert list(told_apart(files).values()) == ["a/m.onnx", "b/m.onnx", "n.onnx"]


def test_every_file_meets_every_backend_and_thread(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "toy.onnx")
    options = SweepOptions(backends=("onnxruntime", "openvino"), threads=(1, 2))
    found, skipped = expand([model], options, tmp_path)
    ways = [(c.backend, c.threads) for c in found]
    assert ways == [("onnxruntime", 1), ("onnxruntime", 2), ("openvino", 1), ("openvino", 2)]
    assert {c.variant.path for c in found} == {model}
    assert not skipped
    assert [c.threads for c in expand([model], SweepOptions(backends=("onnxruntime",)), tmp_path)[0]] == [None]


def test_checkpoints_are_exported_at_every_size(checkpoint: Path, tmp_path: Path) -> None:
    options = SweepOptions(backends=("onnxruntime",), sizes=((32, 48), (40, 64), (2, 64)))
    found, skipped = expand([checkpoint], options, tmp_path)
    assert [c.variant.spec.input_size for c in found] == [(32, 48), (40, 64)]
    assert {c.variant.name for c in found} == {"net.pt"}
    assert all(c.variant.path.suffix == ".onnx" and c.variant.path.is_file() for c in found)
    assert found[0].variant.parameters == sum(p.numel() for p in load_model(checkpoint)[0].parameters())
    assert [(s.input_size, "4x4 at least" in s.reason) for s in skipped] == [((2, 64), True)]
    own, _ = expand([checkpoint], SweepOptions(backends=("onnxruntime",)), tmp_path / "own")
    assert [c.variant.spec.input_size for c in own] == [(64, 96)]


def test_a_file_that_cannot_be_run_is_kept_with_its_reason(tmp_path: Path) -> None:
    damaged, strange, engine = (tmp_path / name for name in ("damaged.pt", "strange.onnx", "gpu.engine"))
    for file in (damaged, strange, engine):
        file.write_bytes(b"nothing")
    found, skipped = expand([damaged, strange, engine], SweepOptions(), tmp_path)
    assert not found
    assert [s.model for s in skipped] == ["damaged.pt", "strange.onnx", "gpu.engine"]
    assert all("is not a model but a text" in each.reason for each in skipped[:2])
    assert "gpu.engine.json" in skipped[2].reason
