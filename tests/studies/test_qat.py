from pathlib import Path

import onnx
import pytest
import torch

from benchmarks.studies.qat import checkpoints, rescale_bottleneck, trained
from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import NormalisedUNet, UNetConfig
from edgeunet.training.training_options import TrainingOptions
from edgeunet_export.graph.model_from_network import model_from_network
from tests.export.conftest import COMPACT, TRANSPOSE
from tests.export.networks import network, save_network, spec_for

SIZE = (32, 48)


@pytest.mark.parametrize("config", [COMPACT, TRANSPOSE])
def test_a_rescaled_network_gives_the_same_logits_by_way_of_larger_numbers(config: UNetConfig) -> None:
    net = network(config, SIZE)
    frame = torch.randint(0, 256, (1, *SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen: list[torch.Tensor] = []
    net.down[-1].register_forward_hook(lambda _, inputs, output: seen.append(output))
    segmenter = NormalisedUNet(net, spec_for(config, SIZE))
    with torch.no_grad():
        before = segmenter(frame)
        rescale_bottleneck(net, 64)
        torch.testing.assert_close(segmenter(frame), before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen[1][:, ::3], 64 * seen[0][:, ::3], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(seen[1][:, 1::3], seen[0][:, 1::3])


@pytest.mark.slow
def test_a_case_is_trained_as_int8_and_held_against_its_own_float_network(tmp_path: Path) -> None:
    source = save_network(tmp_path / "net.pt", COMPACT, SIZE)
    (name, checkpoint), (hard, _) = checkpoints(source, tmp_path, (1.0, 10.0))
    assert (name, hard) == ("as trained", "bottleneck channels times 10")
    net, spec = load_model(checkpoint)
    onnx.save(model_from_network(net, spec, dynamic_batch=False, logits=False), tmp_path / "float.onnx")
    options = TrainingOptions(qat=checkpoint, steps=1, changes={"batch": 1})
    accuracy = trained(tmp_path / "float.onnx", DatasetFolder.open(samples.DATASET), options, tmp_path / "run")
    assert accuracy.drop is not None
    assert accuracy.comparison.frames == 2
    assert accuracy.comparison.agreement > 0.9
