"""The encoder of EfficientNet-Lite0, cut at a sixteenth of the frame: 0.70 million parameters.

Source: Tan and Le, "EfficientNet", ICML 2019 (arXiv:1905.11946), in its Lite form for integer hardware: ReLU6, no
squeeze-and-excitation. Its convolutions pad both sides alike: the tensors are those of the original, one pixel aside.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

LITE_WIDTHS = (16, 24, 40, 112)
"""Output channels at a half, a quarter, an eighth and a sixteenth of the frame."""
# For each of these sizes: (blocks, kernel, expansion, stride of the first block, output channels).
_STAGES = (
    ((1, 3, 1, 1, 16),),
    ((2, 3, 6, 2, 24),),
    ((2, 5, 6, 2, 40),),
    ((3, 3, 6, 2, 80), (3, 5, 6, 1, 112)),
)
_STEM = 32


def lite_stages(in_channels: int) -> Iterator[list[nn.Module]]:
    """The modules of each stage; each halves the size. Frame (N, in_channels, H, W) → (N, 112, H/16, W/16)."""
    modules: list[nn.Module] = [*_convolution(in_channels, _STEM, 3, stride=2), nn.ReLU6(inplace=True)]
    channels = _STEM
    for stage in _STAGES:
        for blocks, kernel, expansion, first_stride, width in stage:
            for number in range(blocks):
                stride = first_stride if number == 0 else 1
                modules.append(InvertedResidual(channels, width, kernel, expansion, stride))
                channels = width
        yield modules
        modules = []


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise convolution, 1×1 projection: (N, in, H, W) → (N, out, H/stride, W/stride).

    The input is added where shape and channels stay. Source: Sandler et al., "MobileNetV2", CVPR 2018
    (arXiv:1801.04381).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        expand = [] if expansion == 1 else [*_convolution(in_channels, inner, 1), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(
            *expand,
            *_convolution(inner, inner, kernel, stride=stride, groups=inner),
            nn.ReLU6(inplace=True),
            *_convolution(inner, out_channels, 1),
        )
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y + x if self.adds else y


def _convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3),
    ]
