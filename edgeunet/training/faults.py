"""Errors that end a training, as one line with a remedy: out of memory, no compiler, workers that die."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgeunet.errors import TrainingError

# oneDNN's convolutions say "could not create a primitive" if there is no memory for their code.
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc|could not create a ")
_NAMED = 8  # samples of a batch that are named


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch, NumPy or Python is out of memory; torch raises RuntimeError for it."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def explained(error: Exception) -> TrainingError | None:
    """An error of torch with what a user can do about it; None for an unknown one."""
    line = next(iter(str(error).splitlines()), "")
    if is_out_of_memory(error):
        return TrainingError(f"out of memory ({line}): give a smaller --batch or --size, or fewer --workers")
    if "DataLoader worker" in line:
        return TrainingError(f"{line}; it prepares crops, and perhaps memory is short: give fewer --workers")
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return TrainingError(
            f"torch.compile fails here ({line}): on a CPU it needs g++, and no blank in the path of PyTorch; "
            "or leave out --compile"
        )
    return None


def some_names(names: Sequence[str]) -> str:
    """The names of a batch's samples, each once; of many only the first ones."""
    unique = sorted(set(names))
    return ", ".join(unique[:_NAMED]) + (f" and {len(unique) - _NAMED} more" if len(unique) > _NAMED else "")
