"""Which facts of two measurements must agree before they are compared, and what to do where they do not.

What the model file decides is the subject of a comparison and may differ. So may the backend, with what comes with
it: one file is fastest on ONNX Runtime, the other on OpenVINO. With one backend, its version and threads must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OF_THE_MODEL = frozenset({"input_size", "tiles", "pixels"})
OF_THE_BACKEND = frozenset(
    {
        "backend",
        "backend_version",
        "buffers",
        "compute",
        "cuda_graph",
        "cuda_provider",
        "device",
        "in_flight",
        "pinned",
        "threads",
    }
)
"""The facts of a session (Session.describe), under their names in a fingerprint."""

_HARDWARE = frozenset({"board", "cpu", "architecture", "physical_cores", "memory", "gpu"})
_ALIKE = {
    "frames": "the same frames (--data)",
    "mode": "the same --mode",
    "threads": "the same --threads",
    "usable_cpus": "the same CPUs (taskset)",
}


def hardware(facts: Mapping[str, str]) -> dict[str, str]:
    """The facts of a machine that no setting changes: two arms that differ in them run on two machines."""
    return {name: fact for name, fact in facts.items() if name in _HARDWARE}


def differing(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Names of the facts in which two measurements differ and must not."""
    backends = {facts.get("backend") for facts in (a, b)}
    free = OF_THE_MODEL | (OF_THE_BACKEND if len(backends) == 2 and None not in backends else set())
    return [name for name in sorted({*a, *b} - free) if a.get(name) != b.get(name)]


def refusal(names: Sequence[str], a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Why these facts forbid a comparison, and the remedy."""
    facts = "; ".join(f"{name}: {a.get(name, 'none')} and {b.get(name, 'none')}" for name in names)
    machine = bool(_HARDWARE.intersection(names))
    alike = ", ".join(_ALIKE.get(name, f"the same {name}") for name in names if name in _ALIKE or not machine)
    remedy = (
        ", with ".join(filter(None, ["measure both on one machine", alike])) if machine else f"use {alike} for both"
    )
    return f"measured under different conditions ({facts}): {remedy}"
