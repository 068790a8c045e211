"""The batches of a run: crops of the whole frames, at first of halved ones if the recipe says so."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

import cv2
from torch import Tensor
from torch.utils.data import DataLoader

from edgeunet.data.cropping.crops import Crops
from edgeunet.data.cropping.rare_classes import RareClasses
from edgeunet.training.processes import distributed
from edgeunet.training.processes.signals import ignore_stop
from edgeunet.training.training_job import TrainingJob


def make_crops(job: TrainingJob, scale: float = 1.0) -> Crops:
    """The endless stream of crops of a run, all at that scale."""
    recipe = job.recipe
    # Multiples of 16: the compact networks halve a crop four times.
    height, width = (max(32, round(scale * recipe.crop * side / 16) * 16) for side in job.spec.input_size)
    low, high = recipe.augmentation.scale
    how = replace(recipe.augmentation, scale=(scale * low, scale * high))
    # Only a tile misses small objects: without tiles nearly every crop shows most of the frame.
    rare = None if job.spec.tiles == (1, 1) else RareClasses(job.train.facts.counts(len(job.spec.classes)))
    return Crops(job.train, job.spec, (height, width), how, count=sys.maxsize, seed=recipe.seed, rare=rare)


def make_loader(job: TrainingJob, crops: Crops, step: int, *, pinned: bool) -> DataLoader[tuple[Tensor, Tensor]]:
    """This process's parts of the batches from `step` on, as an endless stream, prepared by the job's workers.

    pinned: in memory that a GPU can copy from while it computes.
    """
    share = job.recipe.batch // distributed.size()
    first = distributed.rank() * share
    if job.workers:
        # Before they fork: in a worker OpenCV would wait forever for the threads of its parent.
        cv2.setNumThreads(1)
    numbers = (job.crop_numbers(k)[first : first + share] for k in itertools.count(step))
    return DataLoader(
        crops,
        batch_sampler=numbers,  # type: ignore[arg-type]  # torch asks for lists, and only iterates over them
        num_workers=job.workers,
        pin_memory=pinned,
        worker_init_fn=ignore_stop,
    )
