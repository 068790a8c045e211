"""What a single mask and its frame say about how far to trust it."""

from __future__ import annotations

from edgeunet.camera.state.mask_state import Finding, MaskState, worst
from edgeunet.runtime.session import Result
from edgeunet.trust import Trust


def judge(fault: str, result: Result, trust: Trust | None) -> Finding:
    """The worst that is found.

    fault: of the picture, see Frame; "" for none. trust: of the model that made the mask; without it, or without the
    outputs that it is about, nothing tells how sure the network is.
    """
    found = [Finding(MaskState.FRESH)]
    if fault:
        found.append(Finding(MaskState.FROZEN, fault))
    mean, familiarity = result.mean_confidence, result.familiarity
    if trust is None or mean is None or familiarity is None:
        return worst(*found, Finding(MaskState.UNKNOWN, "the model file gives no confidence"))
    if familiarity < trust.familiarity_floor:
        reason = f"familiarity {familiarity:.3g}, the floor is {trust.familiarity_floor:.3g}"
        found.append(Finding(MaskState.UNFAMILIAR, reason))
    if mean < trust.confidence_floor:
        reason = f"mean confidence {mean:.2f}, the floor is {trust.confidence_floor:.2f}"
        found.append(Finding(MaskState.LOW_CONFIDENCE, reason))
    return worst(*found)
