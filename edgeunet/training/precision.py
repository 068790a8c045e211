"""Whether bf16 pays on this device."""

from __future__ import annotations

import torch

from edgeunet.board.machine import cpu_flags


def bf16_pays(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware; elsewhere autocast only costs conversions.

    benchmarks/training.py measures it: 2.3 to 2.9 times the images a second of plain fp32 together with
    channels-last on 2 cores with AVX512-BF16.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(cpu_flags())
