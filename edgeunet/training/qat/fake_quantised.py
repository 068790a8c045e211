"""A U-Net that computes in floats what its INT8 file computes, so that training adapts it to the rounding.

Batch norm is folded with frozen statistics, weights are rounded after folding, and activations are rounded where
`edgeunet.quantisation` puts Q/DQ pairs. The value ranges are learnt with the weights.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from edgeunet.network.fold_batchnorm import folded, folded_parameters
from edgeunet.network.trace import CENTRED, LOGITS, TracedOperator, traced
from edgeunet.network.unet import UNet
from edgeunet.quantisation.clipping import TOP
from edgeunet.quantisation.graph import Graph, Operation, moves
from edgeunet.quantisation.placement import Group, Placement, place
from edgeunet.quantisation.qparams import STEPS, qparams_of
from edgeunet.quantisation.ranges_file import ValueRange
from edgeunet.quantisation.target import QuantisationTarget
from edgeunet.quantisation.value_ranges import origins, union, value_ranges
from edgeunet.spec import ModelSpec
from edgeunet.training.qat.rounding import passed_through, rounded, weight_steps

_FRAME = "frame"


class _Rounding(NamedTuple):
    """The values that an activation is rounded to: lowest to highest, times the scale, which has a gradient."""

    scale: Tensor
    lowest: int
    highest: int


@dataclass(frozen=True)
class QatPlan:
    """The operators of a network on frames of one size, and the placement of Q/DQ pairs."""

    operators: tuple[TracedOperator, ...]
    graph: Graph
    placement: Placement

    def __deepcopy__(self, _: object) -> QatPlan:
        return self  # it never changes


def plan_of(net: UNet, spec: ModelSpec, size: tuple[int, int], target: QuantisationTarget) -> QatPlan:
    """The operators of a network on frames of `size` (height, width), and what the target rounds of them."""
    operators = tuple(traced(folded(net, spec), size, channels=spec.channels))
    weights = folded_parameters(net, spec)
    operations = [Operation("Sub", (_FRAME,), (CENTRED,))]
    for operator in operators:
        inputs = tuple(tensor for tensor in operator.inputs if tensor not in weights)
        channels = _channels(operator, weights) if operator.kind == "Conv" else 0
        copied = inputs if moves(operator.kind) else ()
        operations.append(Operation(operator.kind, inputs, (operator.output,), copied=copied, channels=channels))
    graph = Graph(frozenset({_FRAME}), tuple(operations), frozenset({LOGITS}))
    return QatPlan(operators, graph, place(graph, target))


def _channels(convolution: TracedOperator, weights: Mapping[str, Tensor]) -> int:
    """Of its input: the weights are (out, in / groups, height, width), and groups is the seventh argument."""
    groups = convolution.arguments[6] if len(convolution.arguments) > 6 else 1
    return int(weights[convolution.inputs[1]].shape[1] * groups)


class FakeQuantised(UNet):
    """(N, C, H, W) normalised frames → logits (N, classes, H, W), computed as in INT8; a UNet with ranges to learn.

    It has its own weights and ranges; batch norm uses its running statistics, in training too.
    """

    std: Tensor

    def __init__(
        self, net: UNet, spec: ModelSpec, calibrated: Mapping[str, ValueRange], target: QuantisationTarget
    ) -> None:
        """net: a trained one; it is not changed. calibrated: the value ranges to start from, by tensor."""
        super().__init__(net.config)
        self.load_state_dict(net.state_dict())
        self.spec = spec
        self.target = target
        self.calibrated = dict(calibrated)
        # A range is its calibrated one times exp(this): Adam then moves all ranges at the same relative pace, as in
        # Jain et al., "Trained Quantization Thresholds", MLSys 2020 (arXiv:1903.08066).
        self.widenings = nn.Parameter(torch.zeros(len(self.calibrated)))
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)
        self._plans: dict[tuple[int, int], QatPlan] = {}

    def plain(self) -> UNet:
        """The same weights without rounding."""
        net = UNet(self.config)
        net.load_state_dict({name: value for name, value in self.state_dict().items() if name not in self.learnt()})
        return net.eval()

    def learnt(self) -> dict[str, Tensor]:
        """The part of the state that an ordinary network does not have."""
        return {"widenings": self.widenings.detach()}

    def value_ranges(self) -> dict[str, ValueRange]:
        """The learnt range of each ranged tensor of the network."""
        factors = self.widenings.detach().double().exp().tolist()
        return {
            tensor: (low * factor, high * factor)
            for (tensor, (low, high)), factor in zip(self.calibrated.items(), factors, strict=True)
        }

    def forward(self, x: Tensor) -> Tensor:
        plan = self._plan((x.shape[2], x.shape[3]))
        placement = plan.placement
        rounding = self.rounding(plan)
        group = {tensor: group for group in placement.groups for tensor in group}
        seen = folded_parameters(self, self.spec)  # read by every operator
        quantised: dict[str, Tensor] = {}  # read by the placement's readers only

        def give(tensor: str, value: Tensor, *, is_rounded: bool = False) -> None:
            seen[tensor] = value
            if tensor in group:
                quantised[tensor] = value if is_rounded else rounded(value, *rounding[group[tensor]])
                if tensor in placement.outputs:
                    seen[tensor] = quantised[tensor]

        give(CENTRED, x * self.std)
        for operator in plan.operators:
            name, inputs = operator.output, operator.inputs
            if name in placement.convolutions:
                source, weight, bias = inputs
                steps = weight_steps(seen[weight])
                seen[weight] = passed_through(seen[weight], steps)
                if self.target.integer_biases:
                    seen[bias] = passed_through(seen[bias], steps * rounding[group[source]].scale.detach())
            reads = name in placement.readers
            result = operator.run(ChainMap(quantised, seen) if reads else seen)
            copies = reads and moves(operator.kind)
            give(name, result, is_rounded=copies and all(group[tensor] == group.get(name) for tensor in inputs))
        return seen[LOGITS]

    def _plan(self, size: tuple[int, int]) -> QatPlan:
        if size not in self._plans:
            self._plans[size] = plan_of(self.plain(), self.spec, size, self.target)
        return self._plans[size]

    def rounding(self, plan: QatPlan) -> dict[Group, _Rounding]:
        """The same scales as the exporter makes from the learnt ranges, with gradients to the widenings."""
        learnt = value_ranges(plan.graph, self.value_ranges())
        held = origins(plan.graph)
        index = {tensor: i for i, tensor in enumerate(self.calibrated)}
        limits = torch.tensor(list(self.calibrated.values()), device=self.widenings.device)  # (values, 2)
        limits = limits * self.widenings.exp().unsqueeze(1)
        result = {}
        for group in plan.placement.groups:
            scale, zero_point = qparams_of(union(learnt[tensor] for tensor in group), self.target)
            members = sorted({index[origin] for tensor in group for origin in held[tensor]})
            low, high = limits[members, 0].min(), limits[members, 1].max()
            smooth = (high - low) / STEPS if self.target.unsigned else torch.maximum(-low, high) / TOP
            exact = torch.tensor(float(scale), device=smooth.device)
            kinds = np.iinfo(zero_point.dtype)
            lowest, highest = int(kinds.min) - int(zero_point), int(kinds.max) - int(zero_point)
            result[group] = _Rounding(exact + (smooth - smooth.detach()), lowest, highest)
        return result
