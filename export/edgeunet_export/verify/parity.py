"""The proof, on real frames, that a model file computes the same as the network in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto

from edgeunet.evaluation.metrics import agreement
from edgeunet.network.unet import NormalisedUNet, mask_from_logits
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.utils.console import progress
from edgeunet_export.calibration.frames import fitted, read_frames
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
    images: image files of any size; each is fitted to the network's input.
    """
    variant = onnx_session(with_logits)
    agreements, differences = [], []
    with OnnxRuntimeSession(path) as session, progress() as bar, torch.inference_mode():
        task = bar.add_task("comparing with PyTorch", total=len(images), note="")
        for _, frame in read_frames(images):
            batch = fitted(frame, segmenter.spec)
            expected = segmenter(torch.from_numpy(batch))
            (logits,) = variant.run(["logits"], {"frame": batch})
            differences.append(float(np.abs(logits - expected.numpy()).max()))
            agreements.append(agreement(session.run(frame).mask, mask_from_logits(expected)[0].numpy()))
            bar.advance(task)
    return Parity(len(images), float(np.mean(agreements)), float(np.max(differences)))
