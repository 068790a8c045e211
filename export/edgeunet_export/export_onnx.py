"""Checkpoint → ONNX: fold, translate, write, and keep the file only if it computes the same as PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.loading import load_split
from edgeunet.errors import ExportError
from edgeunet.evaluation.metrics import Scores
from edgeunet.evaluation.score import score_masks
from edgeunet.evaluation.seen_split import warn_of_seen
from edgeunet.network.checkpoint import load_model_at
from edgeunet.network.torch_segmenter import TorchSegmenter
from edgeunet.network.unet import NormalisedUNet, UNet, preset_name
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import replacing, require_distinct, sha256
from edgeunet.version import __version__
from edgeunet_export.calibration.frames import spread
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.graph.model_file import write_model
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.trust.making import require_labelled, trusted
from edgeunet_export.verify.mask_agreement import MIN_AGREEMENT
from edgeunet_export.verify.parity import Parity, parity

FRAMES = 32
"""Most frames that PyTorch and the file are compared on; a wrong translation shows on the first."""


@dataclass(frozen=True)
class ExportOptions:
    """How to make the file.

    dynamic_batch: any number of frames at once; otherwise exactly one.
    logits: a second output, float32 [N, C, H, W], for checks and for kernels that do the argmax.
    confidence: two more, how sure each pixel is and how like the training data the frame is.
    size, tiles: (height, width) of the input and (rows, columns) of tiles, if not those of the training.
    """

    dynamic_batch: bool = False
    logits: bool = False
    size: tuple[int, int] | None = None
    tiles: tuple[int, int] | None = None
    confidence: bool = False


@dataclass(frozen=True)
class ExportedNetwork:
    """An exported file. trained: the spec of the checkpoint.

    scores: of the network on the labels of the given split, at the file's input and at that of the training; None where
    both are the same, or there are no labels.
    feature_map: the tensor that the familiarity comes from, besides the logits; "" for none.
    """

    spec: ModelSpec
    parity: Parity
    trained: ModelSpec
    scores: tuple[Scores, Scores] | None = None
    feature_map: str = ""


def export_onnx(
    checkpoint: Path, output: Path, options: ExportOptions, *, data: Path | None, split: str, force: bool
) -> ExportedNetwork:
    """Write `output` and compare it with PyTorch on frames of `data`, or on the package's own if that is None.

    For another input than that of the training, the network is scored at both on the labels of `data`, if it has some.

    Raises UsageError for confidence without labels, ModelFileError for a bad checkpoint, MismatchError for a dataset of
    other classes, OutputError if the file exists and `force` is false, ExportError if the masks differ on more than
    0.1 % of the pixels; nothing is kept then.
    """
    require_ending(output, ".onnx")
    require_distinct({"-o": output}, {"CHECKPOINT": checkpoint, "--data": data})
    if options.confidence:
        require_labelled(data, split)
    with replacing(output, force=force) as temporary:
        net, trained, spec = load_model_at(checkpoint, options.size, options.tiles)
        checkpoint_sha256 = sha256(checkpoint)
        spec = spec.with_provenance(
            network=preset_name(net.config),
            precision="fp32",
            checkpoint_sha256=checkpoint_sha256,
            version=__version__,
        )
        with_logits = model_from_network(net, spec, dynamic_batch=options.dynamic_batch, logits=True)
        model = with_logits
        if not options.logits:
            model = type(with_logits).FromString(with_logits.SerializeToString())
            del model.graph.output[1]
        write_model(model, temporary)
        with given_images(data, spec, checkpoint, FRAMES) as given:
            images = spread(given.of(split), FRAMES)
            result = parity(NormalisedUNet(net, spec).eval(), temporary, with_logits, images)
        if not math.isfinite(result.logit_difference):
            raise ExportError(f"{checkpoint} has logits that are not finite (NaN or infinite): train it again")
        if result.agreement < MIN_AGREEMENT:
            raise ExportError(
                f"the exported model and PyTorch agree on {result.agreement:.3%} of the pixels of {result.frames} "
                f"frames, expected {MIN_AGREEMENT:.1%} (largest logit difference {result.logit_difference:.3g}): no "
                f"file was kept; please report this, with the checkpoint"
            )
        feature_map = ""
        if options.confidence and given.dataset is not None:
            warn_of_seen(split, trained, checkpoint)
            model, spec, feature_map = trusted(model, spec, given.dataset, split)
            write_model(model, temporary)
        scores = None
        if data is not None and spec.input_text != trained.input_text and (data / "masks" / split).is_dir():
            warn_of_seen(split, trained, checkpoint)
            samples = load_split(DatasetFolder.open(data, trained.pixels), split)
            here, there = (_scores(net, at, samples) for at in (spec, trained))
            scores = here, there
    return ExportedNetwork(spec, result, trained, scores, feature_map)


def _scores(net: UNet, spec: ModelSpec, samples: Sequence[Sample]) -> Scores:
    with progress() as bar:
        shown = bar.track(samples, description=f"scoring at {spec.input_text}")
        return score_masks(TorchSegmenter(net, spec).segment, shown, len(spec.classes))
