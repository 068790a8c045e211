"""What a single mask and its frame say about how far to trust it."""

from __future__ import annotations

from edgeunet.camera.state.mask_state import Finding, MaskState, worst


def judge(fault: str) -> Finding:
    """The worst that is found. fault: of the picture, see Frame; "" for none."""
    findings = [Finding(MaskState.UNKNOWN, "the model file gives no confidence")]
    if fault:
        findings.append(Finding(MaskState.FROZEN, fault))
    return worst(*findings)
