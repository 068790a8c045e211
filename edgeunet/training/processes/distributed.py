"""The processes of one training: `torchrun --nproc-per-node 2 -m edgeunet train …` starts them.

Each runs the same steps on its part of every batch. A process that torch's launcher did not start is alone,
and nothing here communicates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from edgeunet.errors import TrainingError


def rank() -> int:
    """This process's number; rank 0 writes, prints and decides."""
    return dist.get_rank() if _joined() else 0


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _joined() else 1


def size_here() -> int:
    """How many of them are on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if _joined() else 1


def device() -> torch.device:
    """Where this process computes: a GPU of its own where there is one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def summed(values: Tensor) -> Tensor:
    """The sum over the processes, of any shape, on each of them; gradients flow back to all of them.

    The gradient is that of the sum of every process's loss, and DistributedDataParallel divides it by their number:
    a loss made from such sums has exactly the gradient of the whole batch's loss.
    """
    return values if size() == 1 else _sum(values)


def first(value: float) -> float:
    """Send rank 0's value to every process."""
    return float(summed(torch.tensor(value if rank() == 0 else 0.0, dtype=torch.float64)))


def anywhere(condition: bool) -> bool:
    """Whether it is true in any process."""
    return bool(summed(torch.tensor(int(condition))) > 0)


def barrier() -> None:
    """Wait until every process has called this."""
    if size() > 1:
        dist.barrier()


@contextmanager
def processes() -> Iterator[None]:
    """Join the others that torch's launcher started, for as long as the block lasts; a block within it changes nothing.

    An error in one process ends all of them, and only the first to fail raises it: the others end without a message
    (SystemExit), because they lost that process or fail for the same reason.
    """
    if _joined() or not (dist.is_available() and dist.is_torchelastic_launched()):
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, number, count = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    dist.init_process_group(store=store, rank=number, world_size=count)
    try:
        yield
        dist.barrier()
    except (Exception, KeyboardInterrupt) as error:
        if not _is_first(store):
            raise SystemExit(1) from None
        if "gloo" in str(error) or isinstance(error, dist.DistError):
            raise TrainingError(
                "another process of this training ended without a message (perhaps killed because memory ran out): "
                "--resume continues from the last checkpoint, if there is one"
            ) from error
        raise
    dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


@torch.compiler.disable  # type: ignore[untyped-decorator]  # communication cannot be in a compiled graph
def _sum(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def _is_first(store: Any) -> bool:
    """Whether this process failed first; a process that cannot ask has lost rank 0."""
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:
        return False
