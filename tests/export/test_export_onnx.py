import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import edgeunet
from edgeunet.errors import ExportError, MismatchError, ModelFileError, OutputError, UsageError
from edgeunet.network.checkpoint import load_model, save_checkpoint
from edgeunet.network.unet import NormalisedUNet, UNet
from edgeunet.spec import ModelSpec
from edgeunet.utils.files import sha256
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.graph.model_file import onnx_session, read_model
from edgeunet_export.graph.model_from_network import model_from_network
from tests.export.conftest import NEAREST
from tests.export.networks import network, spec_for


def _export(checkpoint: Path, output: Path, options: ExportOptions | None = None, *, data: Path | None = None) -> None:
    export_onnx(checkpoint, output, options or ExportOptions(), data=data, split="val", force=False)


@pytest.mark.parametrize("prefix", ["", "binary_", "compact_"])
def test_the_file_gives_the_masks_of_pytorch_and_the_contract_s_tensors(
    prefix: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(f"{prefix}model")
    net, spec = load_model(request.getfixturevalue(f"{prefix}checkpoint"))
    height, width = spec.input_size
    session = onnxruntime.InferenceSession(path)
    (source,), (result,) = session.get_inputs(), session.get_outputs()
    assert (source.name, source.type, source.shape) == ("frame", "tensor(uint8)", [1, height, width, 3])
    assert (result.name, result.type, result.shape) == ("mask", "tensor(uint8)", [1, height, width])
    frame = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    (mask,) = session.run(["mask"], {"frame": frame})
    with torch.inference_mode():
        expected = NormalisedUNet(net, spec).eval().masks(torch.from_numpy(frame)).numpy()
    assert len(np.unique(expected)) > 1
    assert np.mean(mask == expected) >= 0.999


def test_the_graph_is_opset_17_and_has_only_what_inference_needs(
    model: Path, compact_model: Path, binary_model: Path
) -> None:
    for path in (model, compact_model, binary_model):
        proto = onnx.load(path)
        assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
        assert proto.ir_version <= 8
        operators = [node.op_type for node in proto.graph.node]
        assert operators[:4] == ["Cast", "Transpose", "Sub", "Conv"]
        assert {"BatchNormalization", "Div", "Constant", "Identity", "Shape"}.isdisjoint(operators)
        assert operators[-2:] == ["Cast", "Cast"]
    assert "Greater" in operators
    assert "ConvTranspose" in operators


def test_the_file_says_where_it_comes_from(model: Path, checkpoint: Path) -> None:
    _, spec = read_model(model)
    assert spec.provenance.precision == "fp32"
    assert spec.provenance.checkpoint_sha256 == sha256(checkpoint)
    assert spec.provenance.version == edgeunet.__version__
    assert spec.classes == load_model(checkpoint)[1].classes


def test_a_dynamic_batch_gives_each_frame_the_mask_it_has_alone(checkpoint: Path, model: Path, tmp_path: Path) -> None:
    _export(checkpoint, tmp_path / "m.onnx", ExportOptions(dynamic_batch=True))
    batched = onnx_session(onnx.load(tmp_path / "m.onnx"))
    single = onnx_session(onnx.load(model))
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
    (masks,) = batched.run(["mask"], {"frame": frames})
    assert masks.shape == (3, 64, 96)
    for frame, mask in zip(frames, masks, strict=True):
        for session in (batched, single):
            np.testing.assert_array_equal(session.run(["mask"], {"frame": frame[None]})[0][0], mask)


def test_logits_are_one_more_output_and_nothing_else_changes(checkpoint: Path, model: Path, tmp_path: Path) -> None:
    _export(checkpoint, tmp_path / "m.onnx", ExportOptions(logits=True))
    with_logits, without = onnx.load(tmp_path / "m.onnx"), onnx.load(model)
    assert with_logits.graph.node == without.graph.node
    assert with_logits.graph.initializer == without.graph.initializer
    assert [output.name for output in with_logits.graph.output] == ["mask", "logits"]
    frame = np.zeros((1, 64, 96, 3), np.uint8)
    mask, logits = onnx_session(with_logits).run(["mask", "logits"], {"frame": frame})
    assert logits.shape == (1, 5, 64, 96)
    np.testing.assert_array_equal(logits.argmax(1), mask)


def test_a_file_that_computes_something_else_is_not_kept(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(net: UNet, spec: ModelSpec, **options: bool) -> onnx.ModelProto:
        net = copy.deepcopy(net)
        with torch.no_grad():
            net.get_parameter("out.bias")[0] += 1
        return model_from_network(net, spec, **options)

    output = tmp_path / "m.onnx"
    output.write_text("the old one")
    monkeypatch.setattr("edgeunet_export.export_onnx.model_from_network", wrong)
    with pytest.raises(ExportError, match=r"agree on .*% of the pixels"):
        export_onnx(checkpoint, output, ExportOptions(), data=None, split="val", force=True)
    assert output.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_logits_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    net = network(NEAREST, (32, 48))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1e30)  # overflows where two are multiplied
    save_checkpoint(tmp_path / "net.pt", net, spec_for(NEAREST, (32, 48)))
    with pytest.raises(ExportError, match="not finite"):
        _export(tmp_path / "net.pt", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_the_dataset_must_have_the_model_s_classes(binary_checkpoint: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="other, road"):
        _export(binary_checkpoint, tmp_path / "m.onnx", data=dataset)


def test_an_output_that_exists_is_left_alone(checkpoint: Path, model: Path) -> None:
    with pytest.raises(OutputError, match="--force"):
        _export(checkpoint, model)


def test_a_truncated_checkpoint_is_named(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match=r"net\.pt is cut"):
        _export(tmp_path / "net.pt", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_another_size_is_compared_and_scored_at_both(checkpoint: Path, dataset: Path, tmp_path: Path) -> None:
    options = ExportOptions(size=(80, 112), tiles=(2, 1))
    found = export_onnx(checkpoint, tmp_path / "m.onnx", options, data=dataset, split="val", force=False)
    assert (found.spec.input_size, found.spec.tiles, found.trained.input_size) == ((80, 112), (2, 1), (64, 96))
    assert found.parity.agreement >= 0.999
    assert found.scores is not None
    evaluated = [
        edgeunet.evaluate(model, dataset, **how).values["miou"]  # type: ignore[arg-type]
        for model, how in ((tmp_path / "m.onnx", {}), (checkpoint, {"size": (80, 112), "tiles": (2, 1)}))
    ]
    assert found.scores[0].miou == pytest.approx(evaluated[0], abs=1e-3)
    assert found.scores[0].miou == pytest.approx(evaluated[1], abs=1e-9)
    assert found.scores[1].miou == pytest.approx(edgeunet.evaluate(checkpoint, dataset).values["miou"], abs=1e-9)
    plain = export_onnx(checkpoint, tmp_path / "p.onnx", ExportOptions(), data=dataset, split="val", force=False)
    assert plain.scores is None, "the same input is not scored"


def test_a_size_too_small_for_the_network_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3x64 is too small for this network: 4x4 at least"):
        _export(checkpoint, tmp_path / "m.onnx", ExportOptions(size=(3, 64)))
