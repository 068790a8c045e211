import torch
from torch import nn

from edgeunet.network.fold_batchnorm import folded
from edgeunet.network.unet import NormalisedUNet
from tests.export.conftest import COMPACT, NEAREST, TRANSPOSE
from tests.export.networks import network, spec_for


def test_a_folded_network_on_centred_frames_gives_the_same_logits_up_to_the_border() -> None:
    for config in (NEAREST, TRANSPOSE, COMPACT):
        spec = spec_for(config, (32, 48))
        net = network(config, (32, 48))
        frames = torch.randint(0, 256, (2, 32, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
        segmenter = NormalisedUNet(net, spec)
        centred = frames.permute(0, 3, 1, 2).float() - segmenter.mean
        with torch.no_grad():
            torch.testing.assert_close(folded(net, spec)(centred), segmenter(frames), rtol=1e-4, atol=1e-4)


def test_folding_leaves_no_batch_norm_and_the_given_network_as_it_was() -> None:
    net = network(COMPACT, (32, 48))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    result = folded(net, spec_for(COMPACT, (32, 48)))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in result.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
