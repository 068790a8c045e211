"""What ends a training, in one line: no memory, a network that cannot be compiled, workers that die."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgeunet.errors import TrainingError

# "could not create a primitive" is what oneDNN's convolutions say when there is no memory for their code.
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc|could not create a ")
_NAMED = 8  # samples of a batch named one by one


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch, NumPy or Python found no memory; torch says so in a RuntimeError."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def explained(error: Exception) -> TrainingError | None:
    """What a user can do about an error from torch's machinery; None for one that is not known here."""
    line = next(iter(str(error).splitlines()), "")
    if is_out_of_memory(error):
        return TrainingError(f"out of memory ({line}): give a smaller --batch or --size, or fewer --workers")
    if "DataLoader worker" in line:
        return TrainingError(f"{line}; it prepares crops, perhaps there is no memory left: give fewer --workers")
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
