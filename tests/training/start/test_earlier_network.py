"""`edgeunet train --weights`: what is kept of an earlier network, and what is new."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgeunet.network.checkpoint import load_model, save_checkpoint
from edgeunet.network.first_convolution import for_channels
from edgeunet.network.unet import UNet, UNetConfig, both_logits, preset
from edgeunet.spec import ClassInfo, ModelSpec
from edgeunet.training.start.earlier_network import continued
from edgeunet.utils.files import sha256
from tests.commands import Run
from tests.datasets import write_dataset

STEPS = ("--steps", 6, "--batch", 2, "--size", "32x48", "--precision", "fp32", "--workers", 0)


def spec_of(*names: str, channels: int = 3) -> ModelSpec:
    scale = (127.5,) * channels
    return ModelSpec(tuple(ClassInfo(n, (1, 2, 3)) for n in names), (32, 48), mean=scale, std=scale, channels=channels)


def network(spec: ModelSpec, stride: int = 1) -> UNet:
    torch.manual_seed(7)
    config = UNetConfig(spec.logits, (8, 16), spec.channels, stride=2 if stride == 2 else 1)
    net = UNet(config).eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.02 * torch.rand_like(tensor))
    return net


def logits(net: UNet, frames: Tensor) -> Tensor:
    """[N, C, H, W]."""
    with torch.no_grad():
        return both_logits(net(frames))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a b c", "c a b"),  # another order
        ("a b", "b a"),  # one logit, whose sign turns
        ("a b c", "a c"),  # to one logit
        ("a b", "a b c"),  # from one logit
        ("a b c", "x b y a"),
    ],
)
def test_classes_of_the_same_name_stand_to_each_other_as_before(before: str, after: str, stride: int) -> None:
    old, new = spec_of(*before.split()), spec_of(*after.split())
    net = network(old, stride)
    result = continued(net, old, new, seed=1)
    frames = torch.randn(2, 3, 32, 48)
    shared = [name for name in new.names if name in old.names]
    then = logits(net, frames)[:, [old.names.index(name) for name in shared]]
    now = logits(result.net, frames)[:, [new.names.index(name) for name in shared]]
    torch.testing.assert_close(now.diff(dim=1), then.diff(dim=1), rtol=1e-4, atol=1e-4)
    assert {name for name, _ in net.named_parameters()} - result.kept == {"out.weight", "out.bias"}


def test_new_classes_follow_from_the_seed_and_each_part_has_its_line() -> None:
    old, new = spec_of("road", "sky", "car"), spec_of("road", "tree")
    nets = [continued(network(old), old, new, seed=seed) for seed in (1, 1, 2)]
    assert nets[0].changes == ("encoder and decoder: kept", "head: kept road; new tree; left out sky, car")
    a, b, c = (n.net.state_dict()["out.weight"] for n in nets)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (3, 4), (1, 4), (4, 1)])
def test_other_channels_see_a_grey_scene_as_before(before: int, after: int) -> None:
    old, new = spec_of("a", "b", channels=before), spec_of("a", "b", channels=after)
    net = network(old)
    result = continued(net, old, new, seed=1)
    grey = torch.randn(1, 1, 32, 48)
    torch.testing.assert_close(
        logits(result.net, grey.expand(1, after, 32, 48)),
        logits(net, grey.expand(1, before, 32, 48)),
        rtol=1e-4,
        atol=1e-4,
    )
    assert result.changes[1] == f"first convolution: changed from {before} to {after} channel(s)"


def test_a_fourth_channel_stands_for_the_mean_of_the_colours() -> None:
    weight = torch.rand(2, 3, 3, 3)
    more = for_channels(weight, 4)
    torch.testing.assert_close(more[:, 3], more[:, :3].mean(1))
    torch.testing.assert_close(for_channels(more, 3), weight)  # and is left out again


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano of the classes ground, disc and tree, of another size and scale."""
    path = tmp_path_factory.mktemp("parent") / "best.pt"
    torch.manual_seed(5)
    spec = spec_of("ground", "disc", "tree")
    save_checkpoint(path, UNet(preset("nano", spec.logits)), replace(spec, input_size=(64, 64)))
    return path


def test_the_command_says_what_is_kept_and_records_the_parent(run: Run, parent: Path, tmp_path: Path) -> None:
    data, folder = write_dataset(tmp_path / "data"), tmp_path / "run"
    ran = run("train", data, "-o", folder, *STEPS, "--weights", parent, "--freeze-encoder", 1)
    assert ran.code == 0, ran.err
    assert "encoder and decoder: kept\nhead: kept ground, disc; new bar; left out tree\n" in ran.out
    record = json.loads((folder / "run.json").read_text())
    assert (record["model"], record["parent_sha256"]) == ("nano", sha256(parent))
    assert (record["recipe"]["freeze_encoder"], record["recipe"]["kept_lr"]) == (1, 0.3)
    (net, spec), (old, _) = load_model(folder / "best.pt"), load_model(parent)
    assert (spec.mean, spec.std, spec.input_size) == ((127.5,) * 3, (127.5,) * 3, (32, 48))
    assert spec.provenance.parent_sha256 == sha256(parent)
    assert torch.equal(net.state_dict()["down.1.1.0.weight"], old.state_dict()["down.1.1.0.weight"])
    assert not torch.equal(net.state_dict()["up.0.conv.0.weight"], old.state_dict()["up.0.conv.0.weight"])


def test_a_run_is_resumed_without_the_file_that_it_started_from(run: Run, parent: Path, tmp_path: Path) -> None:
    data, folder, copy = write_dataset(tmp_path / "data"), tmp_path / "run", tmp_path / "copy.pt"
    copy.write_bytes(parent.read_bytes())
    line = ("train", data, "-o", folder, *STEPS)
    assert run(*line, "--weights", copy).code == 0
    scores = (folder / "log.csv").read_text()
    copy.write_bytes((folder / "best.pt").read_bytes())
    ran = run(*line, "--weights", copy, "--resume")
    assert ran.code == 1
    assert f"(weights {sha256(parent)[:12]}, now {sha256(copy)[:12]})" in ran.err
    copy.unlink()
    ran = run(*line, "--weights", copy, "--resume")
    assert ran.code == 0, ran.err
    assert "head:" not in ran.out
    assert (folder / "log.csv").read_text() == scores
    ran = run(*line, "--model", "nano", "--resume")
    assert ran.code == 1
    assert "type --freeze-encoder 0.2 --weights CHECKPOINT to continue it" in ran.err


def test_a_finished_run_that_is_to_go_on_longer_is_told_how(run: Run, parent: Path, tmp_path: Path) -> None:
    data, folder = write_dataset(tmp_path / "data"), tmp_path / "run"
    line = ("train", data, "--batch", 2, "--size", "32x48", "--model", "nano")
    assert run(*line, "-o", folder, "--steps", 2).code == 0
    ran = run(*line, "-o", folder, "--steps", 4, "--resume")
    assert ran.code == 1
    _, remedy = ran.err.strip().split("or train its network further elsewhere: ")
    assert run(*line, "-o", tmp_path / "more", "--steps", 2, *remedy.split()).code == 0


def test_what_does_not_fit_is_refused_with_the_reason(run: Run, parent: Path, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    line = ("train", data, "-o", tmp_path / "run", *STEPS)
    foreign = tmp_path / "foreign.pt"
    torch.save({"conv.weight": torch.zeros(1)}, foreign)
    for more, code, says in (
        (("--weights", parent, "--model", "small"), 2, "has the network nano, --model asks for small"),
        (("--weights", parent, "--qat", parent), 2, "give one of them"),
        (("--freeze-encoder", 0.5), 2, "give --weights or --model lite too"),
        (("--weights", parent, "--freeze-encoder", 2), 2, "is from 0 to 1, got 2"),
        (("--weights", foreign), 1, "is a PyTorch file of another project"),
        (("--weights", tmp_path / "absent.pt"), 1, "no such checkpoint"),
    ):
        ran = run(*line, *more)
        assert (ran.code, says in ran.err) == (code, True), ran.err
        assert not (tmp_path / "run").exists()
    inside = tmp_path / "run" / "best.pt"
    inside.parent.mkdir()
    inside.write_bytes(parent.read_bytes())
    ran = run(*line, "--weights", inside, "--force")
    assert ran.code == 2
    assert "is also --weights" in ran.err
