"""A checkpoint from somebody else: whatever is in it, it loads, or one line says what is wrong with it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.errors import MissingDependencyError, ModelFileError
from edgeunet.network.checkpoint import FORMAT, load_model, model_of, read_checkpoint, save_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from tests.models import toy_spec, write_toy_model

CONFIG = UNetConfig(3, (4, 8), 3, "nearest", 12, stride=2, residual=((), (1,), (1, 2)))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "x.pt", UNet(CONFIG), toy_spec())
    return tmp_path / "x.pt"


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    value = torch.load(path, weights_only=True)
    change(value)
    torch.save(value, path)
    return path


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_what_wrappers_put_before_the_names_is_taken_off(prefix: str, checkpoint: Path) -> None:
    plain = load_model(checkpoint)[0].state_dict()
    changed(checkpoint, lambda v: v.update(model={prefix + name: tensor for name, tensor in v["model"].items()}))
    wrapped = load_model(checkpoint)[0].state_dict()
    assert all(torch.equal(wrapped[name], tensor) for name, tensor in plain.items())


CHANGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("it has no spec", lambda v: v.pop("spec")),
    ("it has no model", lambda v: v.pop("model")),
    ("its spec is not text", lambda v: v.update(spec=3)),
    ("valid spec", lambda v: v.update(spec="{}")),
    ("its network is not described", lambda v: v.update(config="x")),
    ("its network is not described", lambda v: v.update(config=torch.zeros(3))),
    ("later edgeunet .*'attention'", lambda v: v["config"].update(attention=True)),
    ("later edgeunet", lambda v: v.update(teacher="x")),
    ("later edgeunet", lambda v: v.update(format="edgeunet.checkpoint/2")),
    ("even numbers up to 4096", lambda v: v["config"].update(features=(8192, 16384))),
    ("1 to 8 levels", lambda v: v["config"].update(features=(8,) * 40)),
    ("at most 16 residual blocks", lambda v: v["config"].update(residual=((), (1,) * 99, ()))),
    ("features: expected a list", lambda v: v["config"].update(features=8)),
    ("stride", lambda v: v["config"].update(stride=3)),
    ("3 channels in and 5 out", lambda v: v["config"].update(classes=5)),
    (r"inc\.0\.weight must be \[4, 3, 3, 3\]", lambda v: v["model"].update({"inc.0.weight": torch.zeros(2, 2)})),
    (r"got none", lambda v: v["model"].pop("inc.0.weight")),
    (r"got none", lambda v: v["model"].update({"inc.0.weight": "x"})),
    (r"inc\.0\.weight has NaN", lambda v: v["model"]["inc.0.weight"].fill_(torch.nan)),
    ("its weights have extra", lambda v: v["model"].update(extra=torch.zeros(1))),
    ("not tensors by name", lambda v: v.update(model=[1, 2])),
    (r"got \[4, 3, 3, 3\]", lambda v: v["model"].update({"inc.0.weight": torch.zeros(1).expand(4, 3, 3, 3)})),
]


@pytest.mark.parametrize(("says", "change"), CHANGES)
def test_what_does_not_belong_together_is_named(
    says: str, change: Callable[[dict[str, Any]], object], checkpoint: Path
) -> None:
    with pytest.raises(ModelFileError, match=says) as caught:
        load_model(changed(checkpoint, change))
    assert str(caught.value).startswith(str(checkpoint))
    assert "\n" not in str(caught.value)


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_is_unpacked(checkpoint: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(checkpoint) as source,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in source.namelist():
            bomb.writestr(name, source.read(name) if not name.endswith("/data/0") else bytes(80 << 20))
    with pytest.raises(ModelFileError, match="unpacks to 80 MB"):
        load_model(tmp_path / "bomb.pt")


def test_other_files_are_called_what_they_are(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "foreign.pth")
    torch.save({"w": torch.zeros(3)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(tmp_path / "photos.pt", "w") as archive:
        archive.writestr("a.jpg", b"x")
    for name, says in (
        ("foreign.pth", "of another project"),
        ("old.pt", r"PyTorch before 1\.6"),
        ("photos.pt", "is an archive"),
        (write_toy_model(tmp_path / "model.onnx").name, "is an ONNX file already: give the checkpoint"),
        ("none.pt", "no such checkpoint"),
    ):
        with pytest.raises(ModelFileError, match=says):
            load_model(tmp_path / name)


def test_a_torch_that_lets_files_run_code_loads_none(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.5.1+cu124")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was loaded"))
    with pytest.raises(MissingDependencyError, match=r"torch>=2\.6"):
        read_checkpoint(checkpoint)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just(torch.zeros(2, 2))
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_of_a_checkpoint_ends_in_a_network_or_in_one_line(data: st.DataObject) -> None:
    net = UNet(CONFIG)
    value: dict[str, Any] = {
        "config": {**vars(CONFIG)},
        "spec": toy_spec().to_json(),
        "model": dict(net.state_dict()),
        "format": FORMAT,
        "run": {},
    }
    place: Any = value
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(_VALUES)
    else:
        place[data.draw(st.text(max_size=6))] = place.pop(key)
    for name in ("config", "spec", "model"):
        value.setdefault(name, None)  # what lacks is found by read_checkpoint
    with suppress(ModelFileError):  # and nothing else
        model_of(value, "x.pt")
