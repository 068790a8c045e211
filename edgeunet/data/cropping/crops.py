"""The stream of training crops: number k is always the same crop, in every process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from edgeunet.data.cropping.augment import Augmentation, crop
from edgeunet.data.cropping.rare_classes import Aim, RareClasses, pixel_of
from edgeunet.data.dataset import Sample
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.spec import ModelSpec


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """Crop k: frame uint8 [H, W, channels] and mask uint8 [H, W].

    The samples have a new order in each epoch. Order and augmentation follow from (seed, k) alone, so neither the
    number of workers nor an interruption changes what is learnt.
    rare: where crops are smaller than the fitted frames, for crops around rare classes.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        spec: ModelSpec,
        size: tuple[int, int],
        how: Augmentation,
        *,
        count: int,
        seed: int,
        rare: RareClasses | None = None,
    ) -> None:
        self.samples, self.spec, self.size, self.how = samples, spec, size, how
        self.count, self.seed, self.rare = count, seed, rare

    def __len__(self) -> int:
        return self.count

    def sample(self, k: int) -> Sample:
        """The sample that crop k is cut from."""
        if aim := self._aim(k):
            return self.samples[aim.frame]
        epoch, position = divmod(k, len(self.samples))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.samples))
        return self.samples[int(order[position])]

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:
        sample = self.sample(k)
        letterbox = Letterbox.of((sample.frame.shape[0], sample.frame.shape[1]), self.spec)
        rng = np.random.default_rng((self.seed, 1, k))
        aim = self._aim(k)
        inside = None if aim is None else pixel_of(sample.mask, aim.label, rng)
        frame, mask = crop(sample, letterbox, self.size, self.how, rng, inside)
        return torch.from_numpy(frame), torch.from_numpy(mask)

    def _aim(self, k: int) -> Aim | None:
        return None if self.rare is None else self.rare.aim(np.random.default_rng((self.seed, 2, k)))
