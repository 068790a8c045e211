"""A segmentation network of another tool, as the rest of the import sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgeunet.imaging.pixels import UInt8
from edgeunet_export.foreign.decision import Decision
from edgeunet_export.foreign.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class ForeignNetwork:
    """One network that is read, with the output that was chosen.

    origin: its name in messages. title: for the provenance. sha256: of the file, or of the weights.
    size: (height, width) of the input.
    run: the original in its own framework: float32 [1, channels, height, width] → its output `output`, as it comes.
    decision: how that becomes a mask.
    graph: the same in float32, with one input, [1, channels, height, width], and one output.
    ending: how the output of the graph becomes the same mask: it may be the scores that `output` is made from.
    takes_bytes: whether its input is uint8: then it normalises frames itself.
    metadata: what the file says of itself, as texts.
    notes: lines for the user about what was done to the graph.
    """

    origin: str
    title: str
    sha256: str
    channels: int
    size: tuple[int, int]
    output: str
    run: Callable[[NDArray[np.float32]], NDArray[Any]]
    decision: Decision
    graph: ModelProto
    ending: Decision
    takes_bytes: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> int | None:
        """How many it tells apart; None where only its masks say that."""
        return {"scores": self.ending.channels, "logit": 2, "classes": None}[self.ending.kind]

    def ordered(self, order: tuple[int, ...]) -> ForeignNetwork:
        """The same network with masks in another order of classes. order: as in Decision."""
        decision, ending = (replace(each, order=order) for each in (self.decision, self.ending))
        return replace(self, decision=decision, ending=ending)

    def mask(self, frame: UInt8, preprocessing: Preprocessing) -> UInt8:
        """The mask of the original, uint8 [height, width], for a fitted frame, uint8 [height, width, channels] BGR."""
        return self.decision.mask(self.run(preprocessing.applied(frame[None])), self.size)
