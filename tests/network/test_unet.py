from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgeunet.errors import UsageError
from edgeunet.network.complexity import complexity
from edgeunet.network.unet import PRESETS, NormalisedUNet, Residual, UNet, UNetConfig, mask_from_logits, preset
from tests.models import toy_spec


def test_the_classical_network_has_exactly_its_parameters() -> None:
    net = UNet(UNetConfig(classes=1, features=(64, 128, 256, 512), up="transpose"))
    assert sum(p.numel() for p in net.parameters()) == 31_037_633


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(classes=4, features=(8, 8, 8, 8), up="transpose"),
        UNetConfig(classes=4, features=(8, 8, 8, 8), up="nearest"),
        UNetConfig(4, (8, 8, 8), up="nearest", bottleneck=16, stride=2, residual=((1,), (), (2,), (1, 4))),
    ],
    ids=["transpose", "nearest", "compact"],
)
@pytest.mark.parametrize("size", [(32, 48), (33, 47), (50, 61), (16, 16), (31, 31)])
def test_any_size_comes_out_as_it_went_in(config: UNetConfig, size: tuple[int, int]) -> None:
    assert config.smallest_input == 16
    net = UNet(config).eval()
    assert net(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


def test_presets_have_channels_in_multiples_of_8() -> None:
    for name, config in PRESETS.items():
        assert all(width % 8 == 0 for width in config.widths), name


@pytest.mark.parametrize(
    ("name", "parameters", "operations"), [("nano", 0.5e6, 2e9), ("small", 2.0e6, 8e9), ("lite", 1.3e6, 4.2e9)]
)
def test_the_compact_networks_stay_within_their_budget(name: str, parameters: float, operations: float) -> None:
    cost = complexity(preset(name, 11), (360, 480))
    assert cost.parameters <= parameters
    assert cost.flops <= operations


def test_a_residual_block_adds_what_it_was_given() -> None:
    """With its last scale at zero nothing is added: only the ReLU is left."""
    torch.manual_seed(0)
    block = Residual(8, dilation=2).eval()
    x = torch.randn(1, 8, 9, 11)
    assert not torch.equal(block(x), torch.relu(x))
    torch.nn.init.zeros_(block.get_parameter("conv.4.weight"))
    assert torch.equal(block(x), torch.relu(x))


def test_dilation_widens_what_the_bottleneck_sees() -> None:
    """How far a pixel's change reaches: twice two convolutions at an eighth of the size, and one pair of dilation 4."""
    reach = []
    for residual in ((), ((), (), (), (4,))):
        torch.manual_seed(0)
        net = UNet(UNetConfig(1, (8, 8, 8), up="nearest", bottleneck=8, stride=2, residual=residual)).eval()
        frame = torch.zeros(1, 3, 16, 512)
        changed = frame.clone()
        changed[..., 8, 256] = 100.0
        columns = (net(changed) - net(frame)).abs().amax(dim=(0, 1, 2)).nonzero().ravel()
        reach.append(int(columns.max() - columns.min()))
    assert reach[1] >= reach[0] + 2 * 2 * 4 * 16 - 16


def test_skips_are_joined_as_in_the_paper() -> None:
    """The first channels of each join are the skip's, cut nowhere: silence them and the mask changes."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(classes=2, features=(8, 16), up="nearest")).eval()
    x = torch.randn(1, 3, 16, 16)
    seen: list[torch.Tensor] = []
    last = net.up[-1].get_submodule("conv")
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(x)
    assert torch.equal(seen[0][:, :8], net.inc(x))


def test_normalisation_is_the_specs() -> None:
    spec = replace(toy_spec(), mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    seen: list[torch.Tensor] = []
    net = UNet(UNetConfig(classes=3, features=(8,))).eval()
    net.inc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    NormalisedUNet(net, spec)(torch.tensor([[[[11, 22, 33]] * 2] * 2], dtype=torch.uint8))
    assert seen[0][0, :, 0, 0].tolist() == [5.0, 5.0, 3.75]


def test_masks_from_logits() -> None:
    assert mask_from_logits(torch.tensor([[[[-1.0, 0.0, 1.0]]]])).tolist() == [[[0, 0, 1]]]
    logits = torch.tensor([[0.0, 2.0], [1.0, 1.0], [0.5, 0.0]]).reshape(1, 3, 1, 2)
    assert mask_from_logits(logits).tolist() == [[[1, 0]]]


def test_a_network_of_other_classes_or_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="in and 3 out, it has 3 and 2"):
        NormalisedUNet(UNet(UNetConfig(classes=2, features=(8,))), toy_spec())
    with pytest.raises(UsageError, match="it has 1 and 3"):
        NormalisedUNet(UNet(UNetConfig(classes=3, features=(8,), in_channels=1)), toy_spec())


@pytest.mark.parametrize(
    "config",
    [
        {"classes": 0},
        {"classes": 1, "features": ()},
        {"classes": 1, "up": "cubic"},
        {"classes": 1, "bottleneck": 7},
        {"classes": 1, "stride": 3},
        {"classes": 1, "features": (8, 16), "residual": ((1,), (1,))},
        {"classes": 1, "encoder": "lite9"},
        {"classes": 1, "features": (16, 32, 64), "bottleneck": 112, "encoder": "lite0"},
    ],
)
def test_nonsense_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        UNetConfig(**config)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nano, small, base, lite, classic"):
        preset("huge", 1)


def test_complexity_by_hand() -> None:
    cost = complexity(UNetConfig(classes=1, features=(2,), up="nearest"), (4, 4))
    first = 2 * 9 * 16 * (3 * 2 + 2 * 2)
    bottleneck = 2 * 9 * 4 * (2 * 4 + 4 * 4)
    up = 2 * 4 * 4 * 2 + 2 * 9 * 16 * (4 * 2 + 2 * 2)
    assert cost.flops == first + bottleneck + up + 2 * 16 * 2
    # Most is alive in the last join: the frame (3 channels), the skip and the upsampled map (2 each), their
    # concatenation (4), the first convolution's output (2) and its batch norm's (2), and from below the bottleneck's
    # map (4 channels, a quarter of the pixels), all float32; a few bytes more are batch norm's statistics.
    assert cost.activation_bytes == pytest.approx(4 * (16 * (3 + 2 + 2 + 4 + 2 + 2) + 4 * 4), rel=0.02)
    assert cost.parameters == sum(p.numel() for p in UNet(UNetConfig(1, (2,), up="nearest")).parameters())


def test_activation_memory_grows_with_the_frame() -> None:
    small, large = (complexity(preset("nano", 1), s).activation_bytes for s in ((64, 64), (128, 128)))
    assert large == pytest.approx(4 * small, rel=0.01)
    assert np.isfinite(large)
