"""The proof, on real frames, that a model file computes the same as the network in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto

from edgeunet.evaluation.metrics import agreement
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.network.unet import NormalisedUNet, mask_from_logits
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.model_metadata import loadable
from edgeunet.utils.console import progress
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.model_file import onnx_session


@dataclass(frozen=True)
class Parity:
    """How closely a model file and the network agree."""

    frames: int
    agreement: float  # share of pixels, 0 to 1, with the same class
    logit_difference: float  # the largest; NaN if a logit is not a number


def parity(segmenter: NormalisedUNet, path: Path, with_logits: ModelProto, images: Sequence[Path]) -> Parity:
    """Compare the masks of the model file at `path` with the network's, and the logits of a variant of the file.

    with_logits: the same graph with the output `logits`.
    images: image files of any size; each is fitted to the network's input, or cut into tiles of it.
    """
    file, variant = OrtModel(loadable(path), origin=str(path)), onnx_session(with_logits)
    agreements, differences = [], []
    with progress() as bar, torch.inference_mode():
        task = bar.add_task("comparing with PyTorch", total=len(images), note="")
        for _, frame in read_frames(images, segmenter.spec):
            for tile in fitted_tiles(frame, segmenter.spec):
                expected = segmenter(torch.from_numpy(tile))
                (logits,) = variant.run(["logits"], {"frame": tile})
                (mask,) = file.run(["mask"], {"frame": tile})
                differences.append(float(np.abs(logits - expected.numpy()).max()))
                agreements.append(agreement(mask, mask_from_logits(expected).numpy()))
            bar.advance(task)
    return Parity(len(images), float(np.mean(agreements)), float(np.max(differences)))
