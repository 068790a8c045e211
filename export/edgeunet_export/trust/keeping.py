"""Confidence and familiarity in an INT8 file: what is left of what they meant in its float file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.spec import ModelSpec
from edgeunet.trust import Trust
from edgeunet_export.graph.model_file import set_spec
from edgeunet_export.graph.narrow import rounded_file
from edgeunet_export.graph.trust_nodes import TrustNodes
from edgeunet_export.trust.judging import judged_frames
from edgeunet_export.trust.making import halves


@dataclass(frozen=True, eq=False)
class KeptTrust:
    """int8: the model with both outputs.

    before, after: what they mean in the float file and in this one, on the same frames; the same where there are no
        labels to tell, or too few.
    moved: the largest difference of a frame's familiarity; None without labels.
    """

    int8: ModelProto
    before: Trust
    after: Trust
    moved: float | None


def kept_trust(
    source: Path,
    plain: ModelProto,
    nodes: TrustNodes,
    trust: Trust,
    spec: ModelSpec,
    dataset: DatasetFolder | None,
    split: str,
) -> KeptTrust:
    """Give an INT8 model without the outputs the ones of its float file `source`, and judge both.

    split: of the dataset; its second half judges, as when the float file was made. spec: of the plain model.
    """
    int8 = nodes.added_to(plain)
    unmeasured = KeptTrust(int8, trust, trust, None)
    if dataset is None or not (dataset.path / "masks" / split).is_dir():
        return unmeasured
    set_spec(int8, spec)
    try:
        frames = [(sample.frame, sample.mask) for sample in halves(dataset, spec, split)[1]]
        with rounded_file(int8) as file:
            before, after = judged_frames(source, frames), judged_frames(file, frames)
        moved = float(np.abs(before.familiarity - after.familiarity).max())
        return KeptTrust(int8, before.again(trust), after.again(trust), moved)
    except UsageError:  # one labelled frame, or none with a labelled pixel, is enough for the masks
        return unmeasured
