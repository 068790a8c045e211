"""Which facts of two measurements must agree before they are compared, and what to do where they do not.

Users also compare backends: one file is fastest on ONNX Runtime, the other on OpenVINO. So where
the backends differ, what comes with them may differ too. With one backend, its version and its threads are conditions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

OF_THE_BACKEND = frozenset(
    {"backend", "backend_version", "device", "threads", "in_flight", "buffers", "cuda_graph", "cuda_provider"}
)
"""The facts of a session (Session.describe), under their names in a fingerprint."""

_HARDWARE = frozenset({"board", "cpu", "architecture", "physical_cores", "memory", "gpu", "device"})
_ALIKE = {
    "frames": "the same frames (--data)",
    "mode": "the same --mode",
    "threads": "the same --threads",
    "usable_cpus": "the same CPUs (taskset)",
    "input_size": "models of the same input size",
    "tiles": "models of the same tiles",
    "pixels": "models of the same frames",
}


def differing(a: Mapping[str, str], b: Mapping[str, str], *, varies: Collection[str] = ()) -> list[str]:
    """Names of the facts in which two measurements differ and must not. varies: facts that are meant to differ."""
    backends = {facts.get("backend") for facts in (a, b)}
    free = {*varies} | (OF_THE_BACKEND if len(backends) == 2 and None not in backends else set())
    return [name for name in sorted({*a, *b} - free) if a.get(name) != b.get(name)]


def refusal(names: Sequence[str], a: Mapping[str, str], b: Mapping[str, str]) -> str:
    """Why these facts forbid a comparison, and the remedy."""
    facts = "; ".join(f"{name}: {a.get(name, 'none')} and {b.get(name, 'none')}" for name in names)
    if _HARDWARE.intersection(names):
        remedy = "measure both on one machine"
    else:
        remedy = f"use {', '.join(_ALIKE.get(name, f'the same {name}') for name in names)} for both"
    meant = " ".join(f"--varies {name}" for name in names)
    return f"measured under different conditions ({facts}): {remedy}, or add `{meant}` to compare it anyway"
