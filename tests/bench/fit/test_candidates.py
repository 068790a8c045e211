from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import OutputError, UsageError
from edgeunet.network import pretrained
from edgeunet.network.unet import PRESETS, UNetConfig, preset, preset_name
from edgeunet.runtime import open_session
from edgeunet.runtime.model_identity import ModelFile
from edgeunet_bench.fit import candidates
from edgeunet_bench.fit.candidates import CandidateOptions, write_candidates
from edgeunet_bench.sweep import passes
from edgeunet_bench.sweep.grid import SweepOptions
from edgeunet_bench.sweep.passes import sweep
from edgeunet_bench.sweep.visit import Visit
from edgeunet_export.graph.model_file import read_model
from tests.datasets import draw, write_dataset


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the presets only the smallest is written, for the sake of time."""
    monkeypatch.setattr(candidates, "PRESETS", {"nano": PRESETS["nano"]})
    return write_dataset(tmp_path / "data", size=(64, 96))


def test_every_precision_is_a_file_that_runs_and_tells_its_network(data: Path, tmp_path: Path) -> None:
    files = write_candidates(data, tmp_path / "c", CandidateOptions(sizes=((32, 48), (64, 96))), force=False)
    assert [f.name for f in files] == [
        f"nano-{size}-{precision}.onnx"
        for size in ("32x48", "64x96")
        for precision in ("fp16", "fp32", "int8+fp16", "int8")
    ]
    for file in files:
        model, spec = read_model(file)
        assert file.stem.endswith(f"-{spec.provenance.precision}")
        assert spec.provenance.network == "nano"
        assert spec.names == ("ground", "disc", "bar")
        assert any(n.op_type == "QuantizeLinear" for n in model.graph.node) == ("int8" in file.name)
        assert spec.provenance.target == ("tensorrt" if "int8" in file.name else "")
        if "fp16" not in file.name:
            with open_session(file, threads=1) as session:
                assert session.run(draw(1)[0]).mask.shape == spec.input_size


def test_a_sweep_of_candidates_knows_their_networks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_candidates(data, tmp_path / "c", CandidateOptions(target="openvino"), force=False)
    assert [f.name for f in files] == ["nano-64x96-fp32.onnx", "nano-64x96-int8.onnx"]
    visit = Visit({"backend": "openvino", "version": "1"}, ModelFile("nano", "ab" * 32, 1), np.ones(9))
    monkeypatch.setattr(passes, "measured", lambda *_: visit)  # stands in for the processes
    found = sweep(files[1:], SweepOptions(backends=("openvino",)))
    assert [(r.network, r.precision, r.input_size) for r in found.rows] == [("nano", "int8", (64, 96))]


@pytest.mark.slow
def test_a_network_that_can_be_pretrained_needs_no_weights_to_be_measured(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "PRESETS", {"lite": PRESETS["lite"]})
    monkeypatch.setattr(pretrained, "PACKAGE", "not_there_at_all")
    options = CandidateOptions(sizes=((32, 48),))
    files = write_candidates(data, tmp_path / "c", options, force=False)
    assert [f.name.removeprefix("lite-32x48-") for f in files] == [
        "fp16.onnx",
        "fp32.onnx",
        "int8+fp16.onnx",
        "int8.onnx",
    ]
    assert {read_model(f)[1].provenance.pretrained_sha256 for f in files} == {""}


def test_a_network_is_known_by_its_shape() -> None:
    assert {preset_name(preset(name, 5)) for name in PRESETS} == set(PRESETS)
    assert preset_name(UNetConfig(5, (8, 16), up="nearest")) == ""


def test_bad_options_and_an_output_that_exists_are_refused(data: Path, tmp_path: Path) -> None:
    for options, words in (
        ({"sizes": ((8, 320),)}, "16 pixels or more, got 8x320"),
        ({"sizes": ((99_999_999, 320),)}, "a side of --sizes is from 1 to 4,096, got 99999999"),
        ({"sizes": ((32, 48), (32, 48))}, "twice"),
        ({"target": "tflite"}, "unknown target"),
    ):
        with pytest.raises(UsageError, match=words):
            CandidateOptions(**options)
    with pytest.raises(OutputError, match="--force"):
        write_candidates(data, data, CandidateOptions(), force=False)
