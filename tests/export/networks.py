"""Untrained networks whose batch norms have seen real frames, so that folding them matters."""

from __future__ import annotations

from pathlib import Path

import torch

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.network.checkpoint import save_checkpoint
from edgeunet.network.unet import NormalisedUNet, UNet, UNetConfig
from edgeunet.quantisation.placement import Placement
from edgeunet.quantisation.ranges_file import ValueRange
from edgeunet.spec import ClassInfo, ModelSpec, PixelFormat
from edgeunet_export.calibration.frames import read_frames


def spec_for(config: UNetConfig, size: tuple[int, int]) -> ModelSpec:
    """Two classes for one logit, else the classes of the sample frames; of 8 bits, with the network's channels."""
    classes = DatasetFolder.open(samples.DATASET).classes
    if config.classes == 1:
        classes = ClassInfo("other", (0, 0, 0)), ClassInfo("road", (9, 9, 9))
    mean, std = ModelSpec.usual_scale(PixelFormat(config.in_channels))
    return ModelSpec(classes, size, mean=mean, std=std, channels=config.in_channels)


def network(config: UNetConfig, size: tuple[int, int]) -> UNet:
    """Seeded weights, and batch norms (statistics and affine part) as far from the identity as after training."""
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    net = UNet(config).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0, generator=generator)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5, generator=generator)
    segmenter = NormalisedUNet(net, spec_for(config, size))
    images = DatasetFolder.open(samples.DATASET).image_paths("train")[:3]
    frames = [frame for _, frame in read_frames(images, segmenter.spec)]
    batch = torch.cat([torch.from_numpy(fitted_tiles(frame, segmenter.spec)[0]) for frame in frames])
    with torch.no_grad():
        for _ in range(10):
            segmenter(batch)
    return net.eval()


def ranges_for(placement: Placement) -> dict[str, ValueRange]:
    """-4 to 4 for everything that is quantised."""
    return {tensor: (-4.0, 4.0) for group in placement.groups for tensor in group}


def save_network(path: Path, config: UNetConfig, size: tuple[int, int]) -> Path:
    save_checkpoint(path, network(config, size), spec_for(config, size))
    return path
