"""`edgeunet train --model lite`: from ImageNet's weights, or at random."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgeunet.network import pretrained
from edgeunet.network.checkpoint import load_model
from edgeunet.network.pretrained import WEIGHTS_SHA256, load_pretrained
from edgeunet.network.unet import UNet, preset
from edgeunet.training.start.imagenet_encoder import with_imagenet_encoder
from tests.commands import Run
from tests.datasets import write_dataset

STEPS = ("--steps", 3, "--batch", 2, "--size", "32x48", "--precision", "fp32", "--workers", 0)
LITE = ("--model", "lite")


def test_only_the_encoder_is_not_what_the_seed_makes() -> None:
    config = preset("lite", 3)
    torch.manual_seed(4)
    at_random = UNet(config)
    start = with_imagenet_encoder(config, seed=4, resumed=False)
    assert start.kept == {
        name for name, value in at_random.named_parameters() if not torch.equal(value, start.net.get_parameter(name))
    }
    resumed = with_imagenet_encoder(config, seed=4, resumed=True)
    assert resumed.kept == start.kept
    assert all(torch.equal(value, resumed.net.state_dict()[name]) for name, value in at_random.state_dict().items())


@pytest.mark.parametrize(("channels", "says"), [(3, ""), (1, ", its first convolution summed to one channel")])
def test_a_run_says_and_records_what_it_started_from(run: Run, tmp_path: Path, channels: int, says: str) -> None:
    data, folder = write_dataset(tmp_path / "data"), tmp_path / "run"
    ran = run("train", data, "-o", folder, *STEPS, *LITE, "--channels", channels, "--freeze-encoder", 1)
    assert ran.code == 0, ran.err
    assert f"\nencoder: ImageNet's weights (efficientnet-lite0){says}\n" in ran.out
    record = json.loads((folder / "run.json").read_text())
    assert (record["model"], record["pretrained_sha256"]) == ("lite", WEIGHTS_SHA256)
    assert (record["recipe"]["freeze_encoder"], record["recipe"]["kept_lr"]) == (1, 0.3)
    net, spec = load_model(folder / "best.pt")
    assert (spec.mean, spec.std) == ((127.0,) * channels, (128.0,) * channels)
    assert spec.provenance.pretrained_sha256 == WEIGHTS_SHA256
    assert json.loads(run("info", folder / "best.pt", "--json").out)["pretrained_sha256"] == WEIGHTS_SHA256
    published = UNet(net.config)
    load_pretrained(published)
    for name in ("inc.0.weight", "down.0.0.conv.1.running_mean", "down.2.5.conv.6.weight"):
        assert torch.equal(net.state_dict()[name], published.state_dict()[name])


def test_a_run_is_resumed_without_the_package_and_with_the_same_start(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_dataset(tmp_path / "data")
    line = {
        start: ("train", data, "-o", tmp_path / start, *STEPS, *LITE, *options)
        for start, options in (("imagenet", ()), ("random", ("--no-pretrained",)))
    }
    for start in line:
        ran = run(*line[start])
        assert ran.code == 0, ran.err
        assert ("encoder:" in ran.out) == (start == "imagenet")
    record = json.loads((tmp_path / "random" / "run.json").read_text())
    assert (record["pretrained_sha256"], record["recipe"]["freeze_encoder"]) == ("", 0)
    assert load_model(tmp_path / "random" / "best.pt")[1].mean != (127.0,) * 3
    monkeypatch.setattr(pretrained, "PACKAGE", "not_there_at_all")
    scores = (tmp_path / "imagenet" / "log.csv").read_text()
    ran = run(*line["imagenet"], "--resume")
    assert ran.code == 0, ran.err
    assert "encoder:" not in ran.out
    assert (tmp_path / "imagenet" / "log.csv").read_text() == scores
    ran = run(*line["imagenet"], "--no-pretrained", "--resume")
    assert ran.code == 1
    assert f"pretrained {WEIGHTS_SHA256[:12]}, now no): leave out --no-pretrained to continue it" in ran.err
    ran = run(*line["random"][:-1], "--resume")
    assert ran.code == 1
    assert f"pretrained no, now {WEIGHTS_SHA256[:12]}): type --no-pretrained to continue it" in ran.err


def test_a_missing_package_is_named_before_the_data_are_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    ran = run("train", tmp_path / "absent", "-o", tmp_path / "run", *LITE)
    assert ran.code == 1
    assert "pip install 'edgeunet[pretrained]', or train with --no-pretrained" in ran.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--no-pretrained",), "small always starts at random; leave it out, or give --model lite"),
        (("--no-pretrained", "--model", "nano"), "nano always starts at random"),
        (("--no-pretrained", "--qat", "best.pt"), "--qat starts from a checkpoint: give one of them"),
        (("--no-pretrained", "--weights", "best.pt"), "--weights starts from a checkpoint: give one of them"),
        (("--no-pretrained", *LITE, "--freeze-encoder", 0.5), "give --weights or --model lite too"),
    ],
)
def test_an_option_without_effect_is_refused(run: Run, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    ran = run("train", tmp_path / "absent", "-o", tmp_path / "run", *options)
    assert ran.code == 2
    assert says in ran.err


def test_what_goes_on_from_it_keeps_its_scale_and_its_hash(run: Run, tmp_path: Path) -> None:
    """A parent of three channels becomes a network of one."""
    data, line = write_dataset(tmp_path / "data"), ("train", tmp_path / "data", *STEPS)
    assert run(*line, "-o", tmp_path / "first", *LITE).code == 0
    best = tmp_path / "first" / "best.pt"
    ran = run("train", data, *STEPS, "-o", tmp_path / "grey", "--weights", best, "--channels", 1)
    assert ran.code == 0, ran.err
    spec = load_model(tmp_path / "grey" / "best.pt")[1]
    assert (spec.mean, spec.std, spec.provenance.pretrained_sha256) == ((127.0,), (128.0,), WEIGHTS_SHA256)
