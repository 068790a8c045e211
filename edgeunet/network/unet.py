"""The U-Net: contracting path, bottleneck, expansive path, skip connections by concatenation.

Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015 (arXiv:1505.04597), with padded convolutions and batch norm as is
usual today, so that the mask has the size of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgeunet.errors import UsageError
from edgeunet.network.lite_encoder import LITE_WIDTHS, lite_stages
from edgeunet.spec import IGNORE, ModelSpec

Upsampling = Literal["transpose", "nearest"]
Encoder = Literal["", "lite0"]

MOST_LEVELS, MOST_CHANNELS, MOST_BLOCKS, MOST_DILATION = 8, 4096, 16, 64
"""Limits of a network, a level, a level and a block: far more than can be trained, few enough to be built."""


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the network.

    classes: channels of the output: 1 for a binary mask (one logit), else the number of classes.
    features: output channels of each level of the contracting path; with an encoder, of the expansive path only.
    bottleneck: channels of the level below these; twice the last if not given.
    stride: of the first convolution. With 2 no level has the frame's size, which costs most; the last layer doubles it.
    residual: for each level, the bottleneck's last, the dilations of the residual blocks behind its double
        convolution; () for a network without any.
    encoder: "lite0" has EfficientNet-Lite0's layers as contracting path (see lite_encoder.py), "" double convolutions.
    """

    classes: int
    features: tuple[int, ...] = (64, 128, 256, 512)
    in_channels: int = 3
    up: Upsampling = "transpose"
    bottleneck: int | None = None
    stride: Literal[1, 2] = 1
    residual: tuple[tuple[int, ...], ...] = ()
    encoder: Encoder = ""

    def __post_init__(self) -> None:
        if not (1 <= self.classes <= IGNORE and 1 <= self.in_channels <= 16):
            raise UsageError(
                f"a U-Net has 1 to {IGNORE} classes and 1 to 16 input channels, got {self.classes} and "
                f"{self.in_channels}"
            )
        levels = 1 <= len(self.features) <= MOST_LEVELS
        if not levels or any(f % 2 or not 2 <= f <= MOST_CHANNELS for f in self.widths):
            raise UsageError(
                f"features are even numbers up to {MOST_CHANNELS}, one for each of 1 to {MOST_LEVELS} levels, got "
                f"{self.features} and below them {self.bottleneck}"
            )
        if self.up not in ("transpose", "nearest"):
            raise UsageError(f"up must be 'transpose' or 'nearest', got {self.up!r}")
        if self.stride not in (1, 2):
            raise UsageError(f"the first stride is 1 or 2, got {self.stride}")
        if self.residual and len(self.residual) != len(self.widths):
            raise UsageError(f"residual blocks are given for {len(self.widths)} levels or none, got {self.residual}")
        if self.encoder not in ("", "lite0"):
            raise UsageError(f"the encoder is 'lite0' or none, got {self.encoder!r}")
        if self.encoder and (len(self.widths), self.widths[-1], self.stride) != (len(LITE_WIDTHS), LITE_WIDTHS[-1], 2):
            raise UsageError(
                f"the encoder lite0 needs {len(LITE_WIDTHS) - 1} features, a bottleneck of {LITE_WIDTHS[-1]} and "
                f"stride 2, got {self.features}, {self.bottleneck} and {self.stride}"
            )
        if any(len(d) > MOST_BLOCKS or not all(1 <= n <= MOST_DILATION for n in d) for d in self.residual):
            raise UsageError(
                f"a level has at most {MOST_BLOCKS} residual blocks, dilated 1 to {MOST_DILATION}, got {self.residual}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, the bottleneck's last."""
        return (*self.features, 2 * self.features[-1] if self.bottleneck is None else self.bottleneck)

    @property
    def smallest_input(self) -> int:
        """The least height and width in pixels: the bottleneck then has one pixel."""
        return int(self.stride * 2 ** len(self.features))

    @property
    def skips(self) -> tuple[int, ...]:
        """Channels that each level of the contracting path hands on, the bottleneck's last."""
        return LITE_WIDTHS if self.encoder else self.widths


def _compact(*widths: int) -> UNetConfig:
    """A compact network, which spends most operations at a quarter to a sixteenth of the frame.

    Dilations let the bottleneck see the whole frame. Multiples of 8 channels, and nearest upsampling, which INT8 and
    DLA handle best.
    """
    *features, bottleneck = widths
    return UNetConfig(1, tuple(features), 3, "nearest", bottleneck, stride=2, residual=((), (), (1,), (1, 2, 4)))


PRESETS: dict[str, UNetConfig] = {
    "nano": _compact(8, 24, 48, 64),
    "small": _compact(16, 48, 96, 128),
    "base": _compact(32, 96, 192, 256),
    # For pretrained weights (network/pretrained.py): more of the operations in the encoder, fewer at half the frame.
    "lite": UNetConfig(1, (16, 32, 64), 3, "nearest", 112, stride=2, residual=((), (), (), (2, 4)), encoder="lite0"),
    # The network of the paper's usual code, 31 million parameters.
    "classic": UNetConfig(1, (64, 128, 256, 512)),
}


def preset(name: str, classes: int, *, channels: int = 3, advice: str = "") -> UNetConfig:
    """The named network with that many output channels, for frames of so many channels.

    Raises UsageError, which ends with `advice`, for an unknown name.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown model {name!r}: choose one of {', '.join(PRESETS)}{advice}")
    return replace(PRESETS[name], classes=classes, in_channels=channels)


def require_input(config: UNetConfig, size: tuple[int, int]) -> None:
    """Raise UsageError for an input of (height, width) pixels that is too small for the bottleneck."""
    least = config.smallest_input
    if min(size) < least:
        raise UsageError(
            f"an input of {size[0]}x{size[1]} is too small for this network: {least}x{least} at least (--size)"
        )


def preset_name(config: UNetConfig) -> str:
    """The preset that a network is, whatever its classes and channels; "" for another network."""
    usual = replace(config, classes=1, in_channels=3)
    return next((name for name, shape in PRESETS.items() if shape == usual), "")


class DoubleConv(nn.Sequential):
    """Twice 3×3 convolution, batch norm, ReLU: (N, in, H, W) → (N, out, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3×3 convolutions added to an identity (He et al., CVPR 2016, arXiv:1512.03385); keeps shape and channels.

    dilation: of both convolutions; they see more with it, and cost the same.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x) + x, inplace=True)


class Up(nn.Module):
    """Doubles the size, joins the skip connection, then a double convolution.

    (N, in, H/2, W/2) and the skip (N, skip, H, W) → (N, out, H, W).
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, up: Upsampling) -> None:
        super().__init__()
        self.up: nn.Module
        if up == "transpose":
            self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        else:
            # A 1×1 convolution and a nearest resize commute; this order costs a quarter.
            self.up = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.Upsample(scale_factor=2.0))
        self.conv = DoubleConv(skip_channels + out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        if rows < 0 or columns < 0:  # a convolution of stride 2 rounded an odd size up
            x = x[:, :, : skip.shape[2], : skip.shape[3]]
        elif rows or columns:  # pooling dropped the last row or column of an odd size
            x = functional.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, x], dim=1))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """(N, in_channels, H, W) float → logits (N, classes, H, W), for any H and W of at least config.smallest_input."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        stages = lite_stages(config.in_channels) if config.encoder else _double_convolutions(config)
        dilated = config.residual or [()] * len(widths)
        self.inc, *down = (
            nn.Sequential(*stage, *(Residual(width, dilation) for dilation in dilations))
            for stage, width, dilations in zip(stages, config.skips, dilated, strict=True)
        )
        self.down = nn.ModuleList(down)
        levels = zip(pairwise(widths), config.skips, strict=False)
        self.up = nn.ModuleList(Up(below, skip, out, config.up) for (out, below), skip in reversed(list(levels)))
        self.out: nn.Module
        if config.stride == 1:
            self.out = nn.Conv2d(widths[0], config.classes, 1)
        else:
            self.out = nn.ConvTranspose2d(widths[0], config.classes, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        skips = [self.inc(x)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.up:
            x = up(x, skips.pop())
        x = self.out(x)
        if x.shape[2:] != (rows, columns):  # an odd size, halved and doubled, is one larger
            x = x[:, :, :rows, :columns]
        return x


def _double_convolutions(config: UNetConfig) -> Iterator[list[nn.Module]]:
    """The classical contracting path: a double convolution, and at every further level 2×2 max pooling before it."""
    yield list(DoubleConv(config.in_channels, config.widths[0], config.stride))
    for above, width in pairwise(config.widths):
        yield [nn.MaxPool2d(2), DoubleConv(above, width)]


class NormalisedUNet(nn.Module):
    """The network with its normalisation: uint8 frames [N, H, W, spec.channels] → logits [N, spec.logits, H, W].

    What training and evaluation run. The exported model file computes the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: UNet, spec: ModelSpec) -> None:
        super().__init__()
        if (net.config.in_channels, net.config.classes) != (spec.channels, spec.logits):
            raise UsageError(
                f"frames of {spec.channels} channel(s) and {len(spec.classes)} classes need a network with "
                f"{spec.channels} channel(s) in and {spec.logits} out, it has {net.config.in_channels} and "
                f"{net.config.classes}"
            )
        self.net = net
        self.spec = spec
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        # The permutation of a contiguous NHWC batch is channels-last already: nothing is copied.
        x = (frames.permute(0, 3, 1, 2).float() - self.mean) / self.std
        return self.net(x)  # type: ignore[no-any-return]

    def masks(self, frames: Tensor) -> Tensor:
        """uint8 frames [N, H, W, spec.channels] → uint8 class indices [N, H, W]."""
        return mask_from_logits(self(frames))


def both_logits(logits: Tensor) -> Tensor:
    """[N, C, H, W] with one for each class: one logit is the second of two, and the first is 0."""
    return torch.cat([torch.zeros_like(logits), logits], dim=1) if logits.shape[1] == 1 else logits


def mask_from_logits(logits: Tensor) -> Tensor:
    """[N, C, H, W] → uint8 [N, H, W]: the largest logit's class, or with one logit whether it is positive."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).to(torch.uint8)
    return logits.argmax(dim=1).to(torch.uint8)
