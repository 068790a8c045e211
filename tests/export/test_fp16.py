from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

import edgeunet
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, ExportError, MismatchError, ModelFileError, OutputError, UsageError
from edgeunet.utils.files import sha256
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, Narrowing, export_fp16
from edgeunet_export.graph.lint import lint
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.graph.narrow import narrowed, rounded_file
from edgeunet_export.verify.mask_agreement import mask_agreement
from tests.export.scaled import scaled

FITS_AS_WEIGHT = 2.5e4  # weights and biases stay below 65504, activations reach 100,000


def _export(source: Path, output: Path, options: Fp16Options | None = None) -> Narrowing:
    return export_fp16(source, output, options or Fp16Options(), force=False)


def _constant_types(path: Path) -> dict[str, int]:
    return {tensor.name: tensor.data_type for tensor in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("fixture", ["steady_model", "binary_model"])
def test_the_file_keeps_the_contract_and_computes_in_float16(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(fixture)
    output = tmp_path / "fp16.onnx"
    result = _export(source, output)
    assert result.wide == ()
    assert result.images == 9
    assert result.agreement >= 0.999
    before, after = onnx.load(source), onnx.load(output)
    assert after.graph.input == before.graph.input
    assert after.graph.output == before.graph.output
    assert [(entry.domain, entry.version) for entry in after.opset_import] == [("", 17)]
    operators = [node.op_type for node in after.graph.node]
    assert operators[:3] == ["Cast", "Cast", "Transpose"]
    assert operators.count("Cast") == [node.op_type for node in before.graph.node].count("Cast") + 1
    floats = {name: t for name, t in _constant_types(output).items() if t == TensorProto.FLOAT}
    assert all(name.endswith(".scales") for name in floats), "only Resize keeps its scales in float32"
    assert output.stat().st_size < 0.65 * source.stat().st_size
    assert lint(after) == []


def test_the_file_says_where_it_comes_from(steady_model: Path, tmp_path: Path) -> None:
    _export(steady_model, tmp_path / "fp16.onnx")
    spec, parent = read_model(tmp_path / "fp16.onnx")[1], read_model(steady_model)[1]
    assert spec.provenance.precision == "fp16"
    assert spec.provenance.parent_sha256 == sha256(steady_model)
    assert spec.provenance.version == edgeunet.__version__
    assert spec.with_provenance(precision="fp32", parent_sha256="") == parent


def test_logits_stay_float32_and_a_dynamic_batch_dynamic(checkpoint: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "m.onnx", tmp_path / "fp16.onnx"
    export_onnx(checkpoint, source, ExportOptions(dynamic_batch=True, logits=True), data=None, split="val", force=False)
    onnx.save(narrowed(onnx.load(source), ()), output)
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
    mask, logits = onnxruntime.InferenceSession(output).run(["mask", "logits"], {"frame": frames})
    expected = onnxruntime.InferenceSession(source).run(["logits"], {"frame": frames})[0]
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - expected).max() < 0.05
    np.testing.assert_array_equal(logits.argmax(1), mask)


def test_what_overflows_stays_in_float32(steady_model: Path, tmp_path: Path) -> None:
    source, output = scaled(steady_model, tmp_path / "m.onnx", 1e6), tmp_path / "fp16.onnx"
    result = _export(source, output)
    assert result.wide == ("inc.0", "inc.3")
    assert result.agreement >= 0.999
    types = _constant_types(output)
    assert types["inc.0.weight"] == types["inc.3.weight"] == TensorProto.FLOAT
    assert types["down.0.1.0.weight.fp16"] == TensorProto.FLOAT16
    assert lint(onnx.load(output)) == []


def test_rounding_shows_the_overflow_that_onnx_runtime_hides(steady_model: Path, dataset: Path, tmp_path: Path) -> None:
    source = scaled(steady_model, tmp_path / "m.onnx", FITS_AS_WEIGHT)
    fp16 = narrowed(onnx.load(source), ())
    onnx.save(fp16, tmp_path / "fp16.onnx")
    frames = DatasetFolder.open(dataset).image_paths("train")
    assert mask_agreement(source, tmp_path / "fp16.onnx", frames) > 0.999
    with rounded_file(fp16) as overflowing:
        assert mask_agreement(source, overflowing, frames) < 0.99


def test_masks_that_differ_keep_nothing(steady_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = scaled(steady_model, tmp_path / "m.onnx", FITS_AS_WEIGHT)
    monkeypatch.setattr("edgeunet_export.fp16.wide_nodes", lambda *arguments: frozenset())
    with pytest.raises(ExportError, match=r"the FP16 masks agree .* expected 99\.9%: no file was kept"):
        _export(source, tmp_path / "fp16.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_bad_input_is_named(steady_model: Path, binary_model: Path, dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "fp16.onnx"
    with pytest.raises(MismatchError, match="other, road"):
        _export(binary_model, output, Fp16Options(dataset))
    with pytest.raises(DatasetError, match="splits of this dataset: train, val"):
        _export(steady_model, output, Fp16Options(dataset, "test"))
    assert list(tmp_path.iterdir()) == []
    assert _export(steady_model, output, Fp16Options(dataset, "val", images=1)).images == 1
    with pytest.raises(ModelFileError, match="is fp16 already"):
        _export(output, tmp_path / "again.onnx")
    with pytest.raises(OutputError, match="--force"):
        _export(steady_model, output)
    with pytest.raises(UsageError, match="--images is from 1 to"):
        Fp16Options(images=0)
