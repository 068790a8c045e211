"""Hardware settings of a training: the precision of multiplications, and how the process keeps memory."""

from __future__ import annotations

import ctypes
from typing import Literal

import torch

from edgeunet.board.machine import cpu_flags
from edgeunet.errors import UsageError

Trained = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[Trained, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def trained_precision(name: str, device: torch.device) -> Trained:
    """The precision of that name; for "auto" the best one on this device.

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
    """Whether the device multiplies bf16 in hardware; elsewhere autocast only adds conversions.

    benchmarks/studies/training.py measures it: 1.6 to 1.7 times the images per second of fp32 on 2 cores with
    AVX512-BF16.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(cpu_flags())


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let glibc keep the memory that tensors free for the next step; other C libraries are left alone.

    By default it maps every large tensor again, and the kernel clears each page at its first use: on a CPU that takes
    longer than most operators compute (benchmarks/studies/training.py measures whole steps). The process keeps what
    it needed at its peak.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
