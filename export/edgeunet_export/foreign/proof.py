"""The proof that a model file is still the network it was made from: masks of both, on the same frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeunet.errors import ExportError
from edgeunet.evaluation.metrics import Confusion, agreement
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.model_metadata import loadable
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.named_classes import require_listed
from edgeunet_export.foreign.preprocessing import Preprocessing
from edgeunet_export.verify.mask_agreement import MIN_AGREEMENT

MAX_DIFFERENCE = 0.1
"""Points of mIoU between the original and the file."""


@dataclass(frozen=True)
class Proof:
    """agreement: share of the pixels, 0 to 1, with the same class. miou: of the original and of the file, 0 to 1; None
    where no pixel has a label. only: the one class that all pixels have in the original, "" if there are more: then the
    agreement says little.
    """

    frames: int
    agreement: float
    miou: tuple[float, float] | None
    only: str = ""


def prove(
    network: ForeignNetwork,
    preprocessing: Preprocessing,
    file: Path,
    spec: ModelSpec,
    frames: Iterable[tuple[str, Pixels, UInt8 | None]],
    count: int,
) -> Proof:
    """Run both on every frame. frames: name, pixels and label, if there is one; `count` of them.

    Raises ExportError if they differ in more than 0.1 % of the pixels or by more than 0.1 points of mIoU,
    MismatchError for a class that the spec does not have.
    """
    model = OrtModel(loadable(file), origin=str(file))
    confusions = Confusion(len(spec.classes)), Confusion(len(spec.classes))
    shares: list[float] = []
    seen: set[int] = set()
    with progress() as bar:
        task = bar.add_task("comparing with the original", total=count, note="")
        for _, pixels, label in frames:
            letterbox = Letterbox.of((pixels.shape[0], pixels.shape[1]), spec)
            fitted = letterbox.fit(pixels)
            theirs = network.mask(fitted, preprocessing)
            require_listed(theirs, len(spec.classes), origin=network.origin)
            seen.update(np.unique(theirs).tolist())
            (ours,) = model.run(["mask"], {"frame": fitted[None]})
            shares.append(agreement(theirs, ours[0]))
            if label is not None:
                for confusion, mask in zip(confusions, (theirs, np.asarray(ours[0])), strict=True):
                    confusion.add(label, letterbox.restore_mask(mask))
            bar.advance(task)
    labelled = bool(confusions[0].counts.any())
    theirs_miou, ours_miou = (confusion.scores().miou for confusion in confusions)
    only = spec.names[seen.pop()] if len(seen) == 1 else ""
    proof = Proof(len(shares), float(np.mean(shares)), (theirs_miou, ours_miou) if labelled else None, only)
    differs = labelled and not abs(theirs_miou - ours_miou) * 100 <= MAX_DIFFERENCE
    if proof.agreement < MIN_AGREEMENT or differs:
        scores = f", mIoU {100 * theirs_miou:.2f} and {100 * ours_miou:.2f} %" if labelled else ""
        raise ExportError(
            f"the model and {network.origin} agree on {proof.agreement:.3%} of the pixels of {proof.frames} frames"
            f"{scores}, expected {MIN_AGREEMENT:.1%} and {MAX_DIFFERENCE} points: no file was kept; please report "
            "this, with the network"
        )
    return proof
