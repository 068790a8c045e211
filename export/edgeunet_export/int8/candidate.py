"""The input of an INT8 model: prepared once, and passed from step to step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from onnx import ModelProto

from edgeunet.quantisation.placement import Placement, place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import QuantisationTarget
from edgeunet.quantisation.value_ranges import value_ranges
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import OPSET_FP16_SCALES, raise_opset
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.int8.quantize import quantized


@dataclass(frozen=True)
class Candidate:
    """A float model with everything that determines its INT8 version.

    model: a repair may change its weights, but not the names of its tensors.
    ranges: of its tensors. placement: what is quantised, for one target.
    wide: outputs of the nodes whose values float16 cannot hold well; None where the rest of the model is float32.
    floating: outputs of the convolutions that stay in float for the accuracy.
    """

    model: FloatModel
    ranges: Ranges
    placement: Placement
    wide: frozenset[str] | None = None
    floating: frozenset[str] = frozenset()

    @classmethod
    def of(cls, model: FloatModel, ranges: Ranges, target: QuantisationTarget) -> Candidate:
        """Everything that the target wants in INT8 is INT8, the rest float32."""
        return cls(model, ranges, place(model.graph, target))

    def with_float16(self, wide: frozenset[str]) -> Candidate:
        """The same with the rest in float16, except for these nodes, by their outputs."""
        return replace(self, wide=wide).in_float(self.floating)

    def in_float(self, names: Collection[str]) -> Candidate:
        """The same with these convolutions in float, by their outputs, and no others."""
        placement = place(self.model.graph, self.placement.target, (self.wide or frozenset()).union(names))
        return replace(self, placement=placement, floating=frozenset(names))

    @cached_property
    def int8(self) -> ModelProto:
        """The INT8 model, without a spec."""
        ranges = value_ranges(self.model.graph, self.ranges.value_ranges)
        if self.wide is None:
            return quantized(self.model, self.placement, ranges)
        int8 = quantized(self.model, self.placement, ranges, np.float16)
        raise_opset(int8, OPSET_FP16_SCALES)
        return narrowed(int8, self.wide)
