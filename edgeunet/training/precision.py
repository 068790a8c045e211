"""In which precision a network is trained: float32, or the faster multiplications of bf16 and fp16."""

from __future__ import annotations

from typing import Literal

import torch

from edgeunet.board.machine import cpu_flags
from edgeunet.errors import UsageError

Trained = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[Trained, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def trained_precision(name: str, device: torch.device) -> Trained:
    """The precision of that name, or the one that "auto" comes to on this device.

    Raises UsageError for another name, and for fp16 on a CPU.
    """
    if name not in ("auto", *DTYPES):
        raise UsageError(f"unknown precision {name!r}: choose one of auto, {', '.join(DTYPES)}")
    if name == "fp16" and device.type != "cuda":
        raise UsageError("--precision fp16 needs a GPU, and PyTorch sees none here: give auto, bf16 or fp32")
    if name == "auto":
        return "bf16" if bf16_pays(device) else "fp32"
    return name  # type: ignore[return-value]  # mypy does not follow `in`


def bf16_pays(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware; elsewhere autocast only costs conversions.

    benchmarks/training.py measures it: 1.6 to 1.7 times the images a second of fp32 on 2 cores with AVX512-BF16.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(cpu_flags())
