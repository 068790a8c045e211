from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from edgeunet.errors import MismatchError, MissingDependencyError, ModelFileError
from edgeunet_export.foreign.reading.network_weights import load_weights, read_weights
from edgeunet_export.foreign.reading.saved_folder import saved_network
from tests.export.foreign.reading.torch_networks import Segmenter

State = dict[str, Tensor]


def trained() -> State:
    return {name: tensor + 1 for name, tensor in Segmenter().state_dict().items()}


def saved(value: Any, folder: Path) -> Path:
    torch.save(value, folder / "w.pt")
    return folder / "w.pt"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"state_dict": {f"net.{n}": t for n, t in state.items()} | {"loss.weight": torch.ones(5)}},
        lambda state: {n: t for n, t in state.items() if "num_batches" not in n},
    ],
    ids=["plain", "among others", "of DataParallel", "of Lightning", "without counters"],
)
def test_the_forms_in_which_weights_are_kept(wrap: Callable[[State], Any], tmp_path: Path) -> None:
    net, wanted = Segmenter(), trained()
    load_weights(net, read_weights(saved(wrap(wanted), tmp_path)), origin="w.pt", title="net")
    for name, tensor in net.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(tensor, wanted[name])


def test_a_file_before_pytorch_1_6(tmp_path: Path) -> None:
    torch.save(trained(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_weights(tmp_path / "old.pth").keys() == trained().keys()


def test_python_objects_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"torch_networks\.Segmenter.*would run code.*state_dict\(\)"):
        read_weights(saved(Segmenter(), tmp_path))


@pytest.mark.parametrize("value", [3, {"epoch": 3}, {"state_dict": 3}, [torch.ones(2)]], ids=str)
def test_a_file_without_names_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no weights by name"):
        read_weights(saved(value, tmp_path))


@pytest.mark.parametrize("tensor", [torch.ones(2, 2).to_sparse(), torch.ones(2, device="meta")], ids=["sparse", "meta"])
def test_tensors_that_no_network_takes_are_refused(tensor: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="quantised, sparse or without values"):
        read_weights(saved({**trained(), "head.weight": tensor}, tmp_path))


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    path = saved(trained(), tmp_path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ModelFileError, match="is cut: copy or download it again"):
        read_weights(path)
    path.write_bytes(b"of another kind\0")
    with pytest.raises(ModelFileError, match=r"holds what is no tensor|is not a file of weights"):
        read_weights(path)
    with pytest.raises(ModelFileError, match="no such file of weights"):
        read_weights(tmp_path / "none.pt")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_not_weights_but_the_network(tmp_path: Path) -> None:
    cast(Any, torch.jit.script(Segmenter().eval())).save(str(tmp_path / "net.pt"))
    with pytest.raises(ModelFileError, match=r"is TorchScript, which has its network in it: edgeunet import .*net\.pt"):
        read_weights(tmp_path / "net.pt")


def test_other_weights_name_the_first_difference() -> None:
    state = trained()
    state["extra.weight"] = state.pop("head.weight")
    with pytest.raises(MismatchError, match=r"head\.weight is not in the file and extra\.weight is not in the network"):
        load_weights(Segmenter(), state, origin="w.pt", title="net")


def _folder(tmp_path: Path, config: Any) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_saved_folder_names_the_package_that_it_needs(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="pip install segmentation-models-pytorch"):
        saved_network(_folder(tmp_path, {"_model_class": "Unet", "classes": 5}))
    with pytest.raises(MissingDependencyError, match="pip install transformers"):
        saved_network(_folder(tmp_path, {"architectures": ["SegformerForX"], "model_type": "segformer"}))


def test_a_package_that_lacks_another_one_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Transformers(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise ModuleNotFoundError(f"Could not import module {name!r}") from RuntimeError("operator nms is missing")

    monkeypatch.setitem(sys.modules, "transformers", Transformers("transformers"))
    with pytest.raises(ModelFileError, match=r"cannot load SegformerForX \(operator nms is missing\): install what it"):
        saved_network(_folder(tmp_path, {"architectures": ["SegformerForX"], "model_type": "segformer"}))


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"config\.json.*save_pretrained"):
        saved_network(tmp_path)
    with pytest.raises(ModelFileError, match="names no network of segmentation_models"):
        saved_network(_folder(tmp_path, {"auto_map": {"AutoModel": "code.Net"}}))
