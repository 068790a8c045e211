"""Tries the ways to feed a network on labelled frames, on no more of them than it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.dataset import Sample
from edgeunet.evaluation.metrics import Confusion
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.named_classes import require_listed
from edgeunet_export.foreign.preprocessing import Preprocessing
from edgeunet_export.foreign.search.choice import Choice, TriedWay, choose
from edgeunet_export.foreign.search.input_ways import InputWay

ROUNDS = (8, 32, 256)
"""Frames of each round, at most; each is a part of the next. The first decides nothing: it drops what is far behind."""


def try_all(network: ForeignNetwork, ways: Sequence[InputWay], samples: Sequence[Sample], spec: ModelSpec) -> Choice:
    """Run the original network, fed in each way, on frames that are spread over `samples`, and choose.

    samples: read when they are asked for. spec: for the classes and for how frames are fitted, not for mean and std.
    Raises MismatchError for a mask with a class that the spec does not have.
    """
    counts: dict[Preprocessing, dict[int, NDArray[np.int64]]] = {way.preprocessing: {} for way in ways}
    behind: tuple[TriedWay, ...] = ()
    open_ways = list(ways)
    for most in ROUNDS:
        count = min(most, len(samples))
        frames = [index * len(samples) // count for index in range(count)]
        with progress() as bar:
            new = [index for index in frames if index not in counts[open_ways[0].preprocessing]]
            for index in bar.track(new, description=f"trying {len(open_ways)} ways to feed the network"):
                sample = samples[index]
                letterbox = Letterbox.of(sample.frame.shape[:2], spec)
                frame = letterbox.fit(sample.frame)
                for way in open_ways:
                    mask = network.mask(frame, way.preprocessing)
                    require_listed(mask, len(spec.classes), origin=network.origin)
                    confusion = Confusion(len(spec.classes))
                    confusion.add(sample.mask, letterbox.restore_mask(mask))
                    counts[way.preprocessing][index] = confusion.counts
        choice = choose(
            [TriedWay(way, np.stack([counts[way][i] for i in frames]), origin) for way, origin in open_ways]
        )
        if count == len(samples) or choice.hopeless or (choice.winner is not None and most > ROUNDS[0]):
            break
        left = choice.rivals if len(choice.rivals) > 1 else choice.trials[:2]
        behind = (*(t for t in choice.trials if t not in left), *behind)
        open_ways = [InputWay(t.preprocessing, t.origin) for t in left]
    return replace(choice, trials=(*choice.trials, *behind))
