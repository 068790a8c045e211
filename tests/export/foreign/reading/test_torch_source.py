"""Networks in PyTorch: as code with weights, as TorchScript; that the file computes what PyTorch does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from edgeunet import samples
from edgeunet.errors import EdgeUNetError, MismatchError, ModelFileError, UsageError
from edgeunet.network.unet import preset
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.utils.files import sha256
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.import_model import ImportOptions, import_model
from edgeunet_export.foreign.reading.opening import read_network
from tests.export.foreign.reading import torch_networks
from tests.export.foreign.reading.torch_networks import ADDRESS, LikeTorchvision, Segmenter
from tests.export.networks import save_network

SIZE = (64, 96)
SAID = ImportOptions(data=samples.DATASET, size=SIZE, order="rgb", value_range=(0.0, 1.0))


def other_weights(path: Path, net: nn.Module | None = None) -> Path:
    """Weights that the network does not have when it is built."""
    net = net or Segmenter()
    state = {name: tensor + 0.1 if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()}
    torch.save(state, path)
    return path


def read(source: str, weights: Path | None = None) -> ForeignNetwork:
    return read_network(source, weights=weights, size=SIZE, output="")


def scores(network: ForeignNetwork) -> np.ndarray[Any, Any]:
    planes = np.random.default_rng(0).random((1, network.channels, *SIZE), np.float32)
    return network.run(planes)


def test_code_with_weights_becomes_a_proven_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = other_weights(tmp_path / "w.pt")
    options = replace(SAID, weights=weights)
    found = import_model(f"{ADDRESS}:Segmenter", tmp_path / "m.onnx", options, force=False)
    assert found.proof.agreement > 0.999
    assert found.proof.miou is not None
    assert found.proof.miou[0] == pytest.approx(found.proof.miou[1], abs=0.001)
    assert read_spec(tmp_path / "m.onnx").provenance.parent_sha256 == sha256(weights)
    assert "is Python code, which this runs" in " ".join(capsys.readouterr().err.split())


def test_the_weights_are_those_of_the_file(tmp_path: Path) -> None:
    trained, fresh = read(f"{ADDRESS}:Segmenter", other_weights(tmp_path / "w.pt")), read(f"{ADDRESS}:Segmenter")
    assert np.abs(scores(trained) - scores(fresh)).max() > 0.01
    assert trained.sha256 != fresh.sha256
    assert fresh.sha256 == read(f"{ADDRESS}:READY").sha256  # a network that is ready, of the same seed


def test_a_dictionary_gives_its_main_output() -> None:
    network = read(f"{ADDRESS}:LikeTorchvision")
    assert network.output == "out"
    assert scores(network).shape == (1, torch_networks.CLASSES, *SIZE)


def test_the_channels_are_those_of_the_first_convolution() -> None:
    assert read(f"{ADDRESS}:grey").channels == 1


def _scripted(net: nn.Module) -> Any:
    return torch.jit.script(net)


def _traced(net: nn.Module) -> Any:
    return cast(Any, torch.jit.trace)(net, torch.zeros(1, 3, *SIZE))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*TracerWarning")
@pytest.mark.parametrize(
    ("save", "net"), [(_scripted, LikeTorchvision()), (_traced, Segmenter())], ids=["scripted", "traced"]
)
def test_torchscript(
    save: Callable[[nn.Module], Any], net: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.pt"
    save(net.eval()).save(str(path))
    found = import_model(str(path), tmp_path / "m.onnx", SAID, force=False)
    assert found.proof.agreement > 0.999
    assert "a program that this runs" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (f"{ADDRESS}:nothing", UsageError, "has no nothing"),
        ("no_such_module:net", UsageError, r"no Python module no_such_module"),
        ("nets/unet.py:build", UsageError, r"such as nets\.unet:build"),
        ("unet.py:build", UsageError, "such as unet:build"),
        (f"{ADDRESS}:broken", ModelFileError, r"fails with OSError: no such encoder"),
        (f"{ADDRESS}:number", ModelFileError, r"returns int, not a torch\.nn\.Module"),
        (f"{ADDRESS}:Classifier", ModelFileError, r"is not a segmentation network"),
        (f"{ADDRESS}:ThroughNumPy", ModelFileError, "cannot follow .* from its input"),
        ("sys:exit", ModelFileError, "fails with SystemExit"),
    ],
)
def test_code_that_is_no_network_is_refused(source: str, error: type[EdgeUNetError], message: str) -> None:
    with pytest.raises(error, match=message):
        read(source)


def test_a_module_is_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_net.py").write_text("from torch import nn\ndef build():\n    return nn.Conv2d(3, 5, 1)\n")
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert read("their_net:build").decision.channels == 5
    with pytest.raises(ModelFileError, match="needs needs no_such_package, which is not installed"):
        read("needs:build")
    assert sys.path == before


def test_a_package_that_is_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "segmentation_models_pytorch.py").write_text("raise RuntimeError('operator nms does not exist')\n")
    (tmp_path / "config.json").write_text('{"_model_class": "Unet"}')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "segmentation_models_pytorch", raising=False)
    with pytest.raises(ModelFileError, match="importing segmentation_models_pytorch fails with operator nms does not"):
        read(str(tmp_path))


def test_a_size_that_fails_names_one_that_does_not() -> None:
    with pytest.raises(ModelFileError, match=r"fails on a frame of 50x96 .*it takes --size 64x96"):
        read_network(f"{ADDRESS}:OfMultiples", size=(50, 96), output="")
    with pytest.raises(UsageError, match="--size HEIGHTxWIDTH"):
        read_network(f"{ADDRESS}:Segmenter", size=None, output="")


def test_a_size_that_would_fill_the_memory_is_refused_before_the_network_runs() -> None:
    with pytest.raises(UsageError, match=r"a side of the input of .* is from 1 to 4,096, got 9999"):
        read_network(f"{ADDRESS}:Segmenter", size=(64, 9999), output="")


def test_an_operator_without_a_translation_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelFileError, match=r"cannot write .*upsample_bilinear2d_aa.*onnxscript"):
        read(f"{ADDRESS}:Antialiased")
    assert not capfd.readouterr().out  # the exporter's listing of the whole graph


def test_a_file_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"holds weights or Python objects.*--weights .*w\.pt"):
        read(str(other_weights(tmp_path / "w.pt")))
    torch.save(Segmenter(), tmp_path / "whole.pt")
    with pytest.raises(ModelFileError, match="holds weights or Python objects"):
        read(str(tmp_path / "whole.pt"))
    save_network(tmp_path / "ours.pt", preset("nano", classes=5), SIZE)
    with pytest.raises(ModelFileError, match=r"export onnx .*ours\.pt"):
        read(str(tmp_path / "ours.pt"))


def test_weights_belong_to_code_only(tmp_path: Path) -> None:
    weights = other_weights(tmp_path / "w.pt")
    with pytest.raises(UsageError, match="leave --weights out"):
        read(str(weights), weights)
    with pytest.raises(MismatchError, match=r"body\.0\.weight is \[8, 3, 3, 3\] in the file and \[16"):
        read(f"{ADDRESS}:wide", weights)
