"""The value ranges that quantisation-aware training starts from, and the file of the learnt ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from edgeunet.data.dataset import Sample
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.network.checkpoint import save_checkpoint
from edgeunet.network.fold_batchnorm import folded_parameters
from edgeunet.network.trace import CENTRED
from edgeunet.network.unet import UNet
from edgeunet.quantisation.clipping import Histogram, clip
from edgeunet.quantisation.ranges_file import Ranges, TensorRange, ValueRange
from edgeunet.quantisation.target import QuantisationTarget
from edgeunet.quantisation.value_ranges import ranged_tensors
from edgeunet.spec import ModelSpec
from edgeunet.training.qat.fake_quantised import FakeQuantised, plan_of
from edgeunet.utils import console
from edgeunet.utils.files import sha256

FRAMES = 32  # to calibrate on, evenly spaced
TRAINED = "trained"
RANGES = "best.ranges.json"
_METHOD = "mse"


def fake_quantised(net: UNet, spec: ModelSpec, samples: Sequence[Sample], target: QuantisationTarget) -> FakeQuantised:
    """A trained network, ready for training as INT8, with ranges calibrated on some of the samples."""
    count = min(FRAMES, len(samples))
    chosen = [samples[i * len(samples) // count] for i in range(count)]
    return FakeQuantised(net, spec, calibrated(net, spec, chosen, target), target)


@torch.no_grad()
def calibrated(
    net: UNet, spec: ModelSpec, samples: Sequence[Sample], target: QuantisationTarget
) -> dict[str, ValueRange]:
    """The range of each tensor of a network on frames, clipped where rounding has the least mean squared error."""
    plan = plan_of(net, spec, spec.input_size, target)
    weights = folded_parameters(net, spec)
    histograms = {tensor: Histogram() for tensor in ranged_tensors(plan.graph)}
    with console.progress() as bar:
        for sample in bar.track(samples, description="calibrating"):
            for tile in fitted_tiles(sample.frame, spec):
                centred = tile.astype(np.float32) - np.array(spec.mean, np.float32)
                tensors = {**weights, CENTRED: torch.from_numpy(centred).permute(0, 3, 1, 2)}
                histograms[CENTRED].add(np.ascontiguousarray(tensors[CENTRED].numpy()))
                for operator in plan.operators:
                    tensors[operator.output] = operator.run(tensors)
                    if operator.output in histograms:
                        histograms[operator.output].add(np.ascontiguousarray(tensors[operator.output].numpy()))
    clips = {tensor: clip(histogram, _METHOD) for tensor, histogram in histograms.items()}
    return {tensor: (max(h.low, -clips[tensor]), min(h.high, clips[tensor])) for tensor, h in histograms.items()}


def save_quantised(path: Path, net: FakeQuantised, spec: ModelSpec, samples: int) -> None:
    """Write an ordinary checkpoint, and next to it RANGES, which `edgeunet export int8 --ranges` takes.

    samples: how many the network was trained on.
    """
    save_checkpoint(path, net.plain(), spec)
    ranges = Ranges(
        model_sha256="",
        images_sha256=spec.provenance.dataset_sha256,
        split=spec.provenance.splits or "train",
        seed=0,
        method=TRAINED,
        images=samples,
        offered=samples,
        plain=0,
        settled=False,
        tensors=_tensors(net.value_ranges()),
        checkpoint_sha256=sha256(path),
    )
    ranges.save(path.with_name(RANGES), force=True)


def _tensors(ranges: Mapping[str, ValueRange]) -> dict[str, TensorRange]:
    return {
        t: TensorRange(low, high, {TRAINED: max(-low, high)}, TRAINED, 0.0, ()) for t, (low, high) in ranges.items()
    }
