"""What is trained as INT8 is what the exporter writes, and what runs."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import NormalisedUNet, UNetConfig, preset
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import CPU, TENSORRT, QuantisationTarget
from edgeunet.quantisation.value_ranges import ranged_tensors
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.training.qat.fake_quantised import FakeQuantised, plan_of
from edgeunet.training.qat.learnt_ranges import RANGES, fake_quantised, save_quantised
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.export.conftest import COMPACT, NEAREST, TRANSPOSE
from tests.export.networks import network, spec_for
from tests.marks import exact_int8, slow

TARGETS = pytest.mark.parametrize("target", [TENSORRT, CPU], ids=lambda target: target.name)
ODD = (51, 67)
LITE = preset("lite", classes=5)


def _quantised(target: QuantisationTarget, config: UNetConfig = COMPACT, size: tuple[int, int] = ODD) -> FakeQuantised:
    """Ranges that training has moved a little."""
    frames = load_split(DatasetFolder.open(samples.DATASET), "train")[:2]
    net = fake_quantised(network(config, size), spec_for(config, size), frames, target)
    with torch.no_grad():
        net.widenings.uniform_(-0.2, 0.1, generator=torch.Generator().manual_seed(0))
    return net


@TARGETS
@pytest.mark.parametrize(
    ("config", "size"),
    [(COMPACT, ODD), *slow((COMPACT, (60, 64)), (NEAREST, (64, 96)), (TRANSPOSE, ODD), (LITE, (64, 96)))],
)
def test_training_rounds_where_the_exporter_puts_pairs(
    config: UNetConfig, size: tuple[int, int], target: QuantisationTarget
) -> None:
    net, spec = network(config, size), spec_for(config, size)
    graph = FloatModel.of(model_from_network(net, spec, dynamic_batch=False, logits=False)).graph
    plan = plan_of(net, spec, size, target)
    assert plan.placement == place(graph, target)
    assert ranged_tensors(plan.graph) == [tensor for tensor in ranged_tensors(graph) if not tensor.startswith("mask.")]


@pytest.mark.parametrize(
    ("target", "config"),
    [
        pytest.param(TENSORRT, COMPACT, id="tensorrt"),
        pytest.param(CPU, COMPACT, id="cpu", marks=[pytest.mark.slow, exact_int8]),
        pytest.param(TENSORRT, LITE, id="tensorrt-lite", marks=pytest.mark.slow),
        pytest.param(CPU, LITE, id="cpu-lite", marks=[pytest.mark.slow, exact_int8]),
    ],
)
def test_the_exported_scales_are_the_trained_ones_and_the_masks_too(
    target: QuantisationTarget, config: UNetConfig, tmp_path: Path
) -> None:
    net = _quantised(target, config)
    spec = net.spec
    save_quantised(tmp_path / "best.pt", net, spec, samples=2)
    export_onnx(tmp_path / "best.pt", tmp_path / "m.onnx", ExportOptions(), data=None, split="val", force=False)
    name = "tensorrt" if target is TENSORRT else "onnxruntime"
    options = Int8Options(samples.DATASET, ranges=tmp_path / RANGES, target=name, budget=AccuracyBudget(max_drop=100))
    result = export_int8(tmp_path / "m.onnx", tmp_path / "int8.onnx", options, force=False)
    assert (result.ranges.summary, result.repair.repaired) == ("trained, 2 images", False)
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "int8.onnx").graph.initializer}
    with torch.no_grad():
        rounding = net.rounding(plan_of(net.plain(), spec, spec.input_size, target))
    assert {f"{group[0]}.scale": float(rounded.scale) for group, rounded in rounding.items()} == {
        f"{group[0]}.scale": float(stored[f"{group[0]}.scale"]) for group in rounding
    }
    segmenter, without = NormalisedUNet(net, spec), NormalisedUNet(net.plain(), spec)
    same, before = [], []
    with OnnxRuntimeSession(tmp_path / "int8.onnx") as session, torch.no_grad():
        for sample in load_split(DatasetFolder.open(samples.DATASET), "val"):
            batch = torch.from_numpy(fitted_tiles(sample.frame, spec)[0])
            mask = session.run(sample.frame).mask
            same.append(np.mean(mask == segmenter.masks(batch)[0].numpy()))
            before.append(np.mean(mask == without.masks(batch)[0].numpy()))
    # A sum just between two steps may round either way, and each of the many convolutions of lite multiplies that.
    least, times = (0.997, 2) if config == LITE else (0.999, 5)
    assert np.mean(same) >= least
    assert 1 - np.mean(before) > times * (1 - np.mean(same)), "the float network's masks are others"


def test_the_checkpoint_is_an_ordinary_one_and_the_ranges_go_with_it(tmp_path: Path) -> None:
    net = _quantised(TENSORRT)
    save_quantised(tmp_path / "best.pt", net, net.spec, samples=2)
    loaded, spec = load_model(tmp_path / "best.pt")
    assert loaded.config == COMPACT
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in loaded.state_dict().items())
    ranges = Ranges.load(tmp_path / RANGES)
    assert ranges.value_ranges == net.value_ranges()
    assert spec == net.spec


@pytest.mark.parametrize("config", [COMPACT, *slow(LITE)])
def test_gradients_reach_every_parameter_and_the_ranges(config: UNetConfig) -> None:
    net = _quantised(TENSORRT, config)
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, *ODD, 3), dtype=torch.uint8, generator=generator)
    statistics = copy.deepcopy(dict(net.named_buffers()))
    loss = NormalisedUNet(net, net.spec).train()(frames).square().mean()
    loss.backward()
    assert [name for name, value in net.named_parameters() if value.grad is None or not value.grad.any()] == []
    # The first convolution's input and what it adds to in the blocks are not rounded, so those ranges do not move.
    assert net.widenings.grad is not None
    assert 0.5 * len(net.widenings) < int((net.widenings.grad.abs() > 0).sum()) < len(net.widenings)
    assert all(torch.equal(value, statistics[name]) for name, value in net.named_buffers())


def test_a_crop_of_another_size_is_rounded_alike() -> None:
    """Padding and cropping come and go with the size, the ranges are the same."""
    net = _quantised(CPU)
    small = NormalisedUNet(net, replace(net.spec, input_size=(32, 48)))
    assert small(torch.zeros(1, 32, 48, 3, dtype=torch.uint8)).shape == (1, 5, 32, 48)
    full, cropped = (net.rounding(plan_of(net.plain(), net.spec, size, CPU)) for size in (ODD, (32, 48)))
    scales = {group[0]: float(rounding.scale.detach()) for group, rounding in full.items()}
    assert all(scales[group[0]] == float(rounding.scale.detach()) for group, rounding in cropped.items())
