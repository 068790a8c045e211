"""The scores of single frames: familiarity as a model file gives it, and the baselines from its logits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from edgeunet.evaluation.metrics import Confusion
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet_export.graph.model_file import onnx_session, read_model

NAMES = ("familiarity", "energy", "maximum logit")
Scores = dict[str, NDArray[np.float64]]
"""For each name [frames]; the higher, the more like the training data."""
RESAMPLES = 2000


class Scored(NamedTuple):
    """scores: of each frame. features: float64 [frames, C], means of the map that familiarity comes from.
    miou: 0 to 1, of all frames together; NaN without labels.
    """

    scores: Scores
    features: NDArray[np.float64]
    miou: float


class ScoringModel:
    """A model file of one tile with logits, confidence and familiarity, in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        proto, self.spec = read_model(path)
        (cast,) = [node for node in proto.graph.node if node.output[0] == "familiarity.map"]
        self.feature_map = cast.input[0]
        shown = ModelProto()
        shown.CopyFrom(proto)
        shown.graph.output.append(helper.make_tensor_value_info(self.feature_map, TensorProto.FLOAT, None))
        self._session = onnx_session(shown, threads=1, arena=True)

    def scored(self, frames: Iterable[tuple[UInt8, UInt8 | None]]) -> Scored:
        """Run frames [h, w, 3], each with its label or None.

        energy: the mean over the pixels of the logarithm of the sum of exponentials (Liu et al., NeurIPS 2020,
        arXiv:2010.03759, with the sign turned); maximum logit: the mean of the largest (Hendrycks et al., ICML 2022);
        both of every second row and column, as familiarity is.
        """
        rows, features = [], []
        confusion = Confusion(len(self.spec.classes))
        for frame, label in frames:
            letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), self.spec)
            names = ["mask", "logits", "familiarity", self.feature_map]
            mask, logits, familiarity, inner = self._session.run(names, {"frame": letterbox.fit(frame)[None]})
            planes = logits[0, :, ::2, ::2].astype(np.float64)
            largest = planes.max(0)
            energy = largest + np.log(np.exp(planes - largest).sum(0))
            rows.append((float(familiarity[0]), energy.mean(), largest.mean()))
            features.append(inner[0].mean((1, 2), dtype=np.float64))
            if label is not None:
                confusion.add(label, letterbox.restore_mask(mask[0]))
        scores = {name: np.array([row[index] for row in rows]) for index, name in enumerate(NAMES)}
        return Scored(scores, np.array(features), float(confusion.scores().miou))


def auroc(ordinary: NDArray[np.float64], unlike: NDArray[np.float64]) -> float:
    """The probability that an ordinary frame scores higher than one of the others; a tie counts half."""
    higher = ordinary[:, None] > unlike
    return float(higher.mean() + 0.5 * (ordinary[:, None] == unlike).mean())


def interval(ordinary: NDArray[np.float64], unlike: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the AUROC for other frames like these: the percentile bootstrap over frames of both kinds."""
    rng = np.random.default_rng(0)
    higher = (ordinary[:, None] > unlike) + 0.5 * (ordinary[:, None] == unlike)
    rows = rng.multinomial(len(ordinary), np.full(len(ordinary), 1 / len(ordinary)), RESAMPLES)
    columns = rng.multinomial(len(unlike), np.full(len(unlike), 1 / len(unlike)), RESAMPLES)
    means = np.einsum("ri,ij,rj->r", rows, higher, columns, optimize=True) / len(ordinary) / len(unlike)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
