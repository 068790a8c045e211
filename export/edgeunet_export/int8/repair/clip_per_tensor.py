"""The clip of each tensor, chosen by the error at the output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgeunet.quantisation.clipping import METHODS
from edgeunet.quantisation.value_ranges import origins
from edgeunet.utils.console import progress
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.trials import Trials

_ALIKE = 0.02
"""Clips that differ by less than this share count as equal."""


def chosen(candidate: Candidate, trials: Trials) -> Candidate:
    """The candidate with the methods that have the least error of the logits.

    First one method for all tensors; then tensor by tensor in the graph's order, with the choices so far kept. The
    method of a tensor that is best on a few frames is run on all.
    """
    tensors = candidate.ranges.tensors
    known = [method for method in METHODS if all(method in entry.clips for entry in tensors.values())]
    uniform = [_with(candidate, dict.fromkeys(tensors, method)) for method in known]
    best = min((candidate, *uniform), key=lambda tried: trials.deviation(tried).error)
    with progress() as bar:
        for tensor in bar.track(_quantised(candidate), description="choosing ranges"):
            promising = min((best, *_others(best, tensor)), key=lambda tried: trials.deviation(tried, rough=True).error)
            best = min(best, promising, key=lambda tried: trials.deviation(tried).error)
    return best


def _quantised(candidate: Candidate) -> list[str]:
    """The tensors whose ranges the INT8 model depends on, in the graph's order: some have float readers only."""
    held = origins(candidate.model.graph)
    needed = {origin for group in candidate.placement.groups for tensor in group for origin in held[tensor]}
    return [tensor for tensor in candidate.ranges.tensors if tensor in needed]


def _others(candidate: Candidate, tensor: str) -> list[Candidate]:
    """The candidate with other methods for one tensor, where they clip it at another value."""
    entry = candidate.ranges.tensors[tensor]
    seen = [entry.clips[entry.method]]
    found = []
    for method in METHODS:
        clip = entry.clips.get(method, seen[0])
        if all(abs(clip - other) > _ALIKE * max(clip, other) for other in seen):
            seen.append(clip)
            found.append(_with(candidate, {tensor: method}))
    return found


def _with(candidate: Candidate, methods: Mapping[str, str]) -> Candidate:
    return replace(candidate, ranges=candidate.ranges.with_methods(methods))
