"""Images per second of training steps: plain fp32, and what training adds to it one by one.

    python -m benchmarks.studies.training -o benchmarks/results/training.json

Each arm has a process of its own, and all take turns in every round, so that a busy moment of the machine affects all
of them. Then each network trains as `edgeunet train --recipe thorough` does, on frames halved and whole, and it is
counted how much of that time it waits for its next batch.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional

from benchmarks.studies.study import Goal, OptionalOutput, Rounds, Study, judge, run
from edgeunet import samples
from edgeunet.board.fingerprint import fingerprint
from edgeunet.cli.common_options import Force
from edgeunet.network.unet import UNet, preset
from edgeunet.training.command import train
from edgeunet.training.hardware import keep_freed_memory
from edgeunet.training.losses import make_loss
from edgeunet.training.trainer import Trainer
from edgeunet.training.training_options import TrainingOptions
from edgeunet.utils.console import stdout

STUDY = Study(__doc__ or "")
GOALS = {"least_ratio": Goal(2.5), "largest_share_waiting": Goal(0.03, most=True)}
CLASSES, BATCH, SIZE = 11, 8, (288, 384)
INPUT_SIZE = (368, 480)  # its crops are as large as SIZE
STEPS, FIRST = 40, 10  # of a training, and those that are not counted: workers start


@dataclass(frozen=True)
class TrainingStep:
    """One way of running the same step. formula: the loss with its gradient by formula, not by autograd."""

    bf16: bool = False
    channels_last: bool = False
    formula: bool = False
    keep_memory: bool = False


ARMS = {
    "fp32": TrainingStep(),
    "bf16": TrainingStep(bf16=True),
    "and channels-last": TrainingStep(bf16=True, channels_last=True),
    "and the loss by formula": TrainingStep(bf16=True, channels_last=True, formula=True),
    "and freed memory kept": TrainingStep(bf16=True, channels_last=True, formula=True, keep_memory=True),
}


def autograd_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy and Dice as they are usually written."""
    share = torch.softmax(logits.float(), dim=1)
    truth = functional.one_hot(masks.long(), logits.shape[1]).permute(0, 3, 1, 2).float()
    overlap, sizes = (share * truth).sum((0, 2, 3)), share.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return functional.cross_entropy(logits.float(), masks.long()) + 1 - ((2 * overlap + 1) / (sizes + 1)).mean()


def serve(pipe: Connection, model: str, arm: TrainingStep, threads: int) -> None:
    """Run a step for every message, and answer with its time in seconds; ends when the pipe closes."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if arm.keep_memory:
        keep_freed_memory()
    layout = torch.channels_last if arm.channels_last else torch.contiguous_format
    net = UNet(preset(model, CLASSES)).to(memory_format=layout)  # type: ignore[call-overload]
    frames = torch.randn(BATCH, 3, *SIZE).contiguous(memory_format=layout)
    masks = torch.randint(0, CLASSES, (BATCH, *SIZE), dtype=torch.uint8)
    optimizer = torch.optim.AdamW(net.parameters())
    loss = make_loss("ce+dice") if arm.formula else autograd_loss
    while pipe.recv():
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=arm.bf16):
            logits = net(frames)
        optimizer.zero_grad(set_to_none=True)
        loss(logits, masks).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pipe.send(time.perf_counter() - begin)


def measure(model: str, rounds: int) -> dict[str, dict[str, float]]:
    """For each arm images per second, and how many times those of the first arm, medians over the rounds."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for arm in ARMS.values():
        here, there = context.Pipe()
        context.Process(target=serve, args=(there, model, arm, torch.get_num_threads()), daemon=True).start()
        pipes.append(here)
    times = []
    for _ in range(rounds + 2):  # the first two allocate
        row = []
        for pipe in pipes:
            pipe.send("step")
            row.append(pipe.recv())
        times.append(row)
    for pipe in pipes:
        pipe.send("")
    counted = np.array(times[2:])
    rates, ratios = BATCH / np.median(counted, axis=0), np.median(counted[:, :1] / counted, axis=0)
    return {
        name: {"images_per_s": round(float(rate), 2), "ratio": round(float(ratio), 3)}
        for name, rate, ratio in zip(ARMS, rates, ratios, strict=True)
    }


def share_waiting(model: str, coarse: float) -> float:
    """The share of a training's time, on the package's frames, in which it waits for a batch. coarse: of the recipe."""
    batches = Trainer.batches
    waits: list[tuple[float, float]] = []  # from, to

    def timed(trainer: Trainer) -> Iterator[tuple[Tensor, Tensor]]:
        source, begin = batches(trainer), time.perf_counter()
        for batch in source:
            waits.append((begin, time.perf_counter()))
            yield batch
            begin = time.perf_counter()

    changes = {"coarse": coarse, "evaluations": 1}
    options = TrainingOptions(model=model, recipe="thorough", size=INPUT_SIZE, steps=STEPS, changes=changes)
    with tempfile.TemporaryDirectory() as folder, patch.object(Trainer, "batches", timed):
        train(samples.DATASET, Path(folder) / "run", options)
    counted = waits[FIRST:]
    return sum(end - begin for begin, end in counted) / (counted[-1][1] - counted[0][0])


def measure_all(models: list[str], rounds: int) -> dict[str, Any]:
    """The content of the result file; prints each network's figures once they are known."""
    result, waiting = {}, {}
    for model in models:
        result[model] = measure(model, rounds)
        for name, figures in result[model].items():
            line = f"{model:6} {name:24} {figures['images_per_s']:6.1f} images/s  {figures['ratio']:.2f} × fp32"
            stdout().print(line)
        waiting[model] = {name: round(share_waiting(model, share), 4) for name, share in (("halved", 1), ("whole", 0))}
    session = {"backend": "torch", "version": torch.__version__, "threads": str(torch.get_num_threads())}
    return {
        "batch": BATCH,
        "size": SIZE,
        "models": result,
        "share_waiting": waiting,
        "goals": {name: str(goal) for name, goal in GOALS.items()},
        "least_ratio": min([*arms.values()][-1]["ratio"] for arms in result.values()),
        "largest_share_waiting": max(share for shares in waiting.values() for share in shares.values()),
        "machine": fingerprint(session),
    }


def main(
    models: Annotated[
        list[str] | None, typer.Option(help="Preset; may be repeated; nano, small, base and lite if not given.")
    ] = None,
    rounds: Rounds = 7,
    output: OptionalOutput = None,
    force: Force = False,
) -> None:
    """Compare ways of running one training step, in images per second; exit code 1 if a goal is missed."""
    result = STUDY.keep(output, lambda: measure_all(models or ["nano", "small", "base", "lite"], rounds), force=force)
    judge(result, GOALS)


if __name__ == "__main__":
    run(main)
