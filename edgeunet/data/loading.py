"""One pass over a split, by all cores: each file is read once, checked, counted and hashed.

As many decoded frames stay in memory as a command may keep; the others are read from disk again when they are needed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, overload

from edgeunet.data.classes import CLASSES_FILE
from edgeunet.data.dataset import DatasetFolder, Digests, Sample
from edgeunet.data.facts.closer_look import looked_at
from edgeunet.data.pairs import ImageMaskPair, Problem, listed, name_in
from edgeunet.data.statistics import NEEDED, FrameFacts, SplitFacts
from edgeunet.errors import DatasetError
from edgeunet.imaging.images import SOME_ENDINGS
from edgeunet.utils import console

MEMORY = 2 << 30  # bytes of decoded frames that a command keeps
_AHEAD = 128 << 20  # bytes of frames that are decoded before they are asked for


class PairedSamples(Sequence[Sample]):
    """The samples of some images with masks, each read when it is asked for; DatasetError for one that cannot be."""

    def __init__(self, dataset: DatasetFolder, pairs: Sequence[ImageMaskPair]) -> None:
        self._dataset, self._pairs = dataset, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._sample(index % len(self))

    def _sample(self, index: int) -> Sample:
        sample = self._dataset.read(self._pairs[index])
        if isinstance(sample, Problem):
            raise DatasetError(f"{self._dataset.path}: {sample}")
        return sample


class LoadedSplit(PairedSamples):
    """The samples of one split, all of them checked.

    facts: the counts of each frame. sha256: hash of file names and contents, and of classes.json: the same data, the
    same hash. room: bytes of memory that it was given and has not used. The sum of two splits has the samples of both.
    A sample raises DatasetError if its files have changed since they were checked.
    """

    def __init__(
        self, dataset: DatasetFolder, pairs: Sequence[ImageMaskPair], read: Sequence[_ReadFrame], room: int
    ) -> None:
        self.facts = SplitFacts(tuple(r.facts for r in read))
        self.sha256 = _sha256(dataset, pairs, [r.digests for r in read])
        super().__init__(dataset, pairs)
        self._read, self.room = read, room

    def __add__(self, other: LoadedSplit) -> LoadedSplit:
        return LoadedSplit(self._dataset, [*self._pairs, *other._pairs], [*self._read, *other._read], other.room)

    def __iter__(self) -> Iterator[Sample]:
        return self.at(range(len(self)))

    def at(self, indices: Iterable[int]) -> Iterator[Sample]:
        """The samples with these indices, in order; a few are read from disk while the caller works on another."""
        waiting: deque[Future[Sample]] = deque()
        cores = os.cpu_count() or 1
        with ThreadPoolExecutor(cores) as pool:
            try:
                for index in indices:
                    height, width = self.facts.frames[index].size
                    if len(waiting) >= min(2 * cores, max(1, _AHEAD // (4 * height * width))):
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(self.__getitem__, index))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _sample(self, index: int) -> Sample:
        if sample := self._read[index].kept:
            return sample
        try:
            sample = super()._sample(index)
        except DatasetError as error:
            raise DatasetError(f"{error}; the file has changed since it was checked") from error
        if sample.digests != self._read[index].digests:
            raise DatasetError(
                f"{self._pairs[index].image} or its mask has changed since it was checked: start the command again"
            )
        return sample


def load_split(dataset: DatasetFolder, split: str, *, memory: int = MEMORY, quiet: bool = False) -> LoadedSplit:
    """Every frame of a split with its mask, checked. Shows progress on stderr unless quiet.

    memory: bytes of decoded frames to keep. Raises DatasetError that lists all problems at once: images without masks
    and masks without images, images that cannot be read, sizes that differ, mask values that classes.json does not
    have.
    """
    pairs, problems = dataset.pairs(split)
    read = _read(dataset, split, pairs, memory=memory, quiet=quiet)
    problems += [r for r in read if isinstance(r, Problem)]
    if problems:
        raise DatasetError(f"{dataset.path} has {len(problems)} problem(s), fix these files:{listed(problems)}")
    frames = [r for r in read if isinstance(r, _ReadFrame)]
    return LoadedSplit(dataset, pairs, frames, memory - sum(_bytes(f.kept) for f in frames if f.kept))


def survey(dataset: DatasetFolder) -> dict[str, SplitFacts]:
    """Read every file of every split; the facts include what is wrong with files.

    Raises DatasetError only if there is no images/<split> folder.
    """
    if not dataset.splits():
        raise DatasetError(f"{dataset.path} {dataset.without_splits}")
    facts = {}
    for split in sorted(dataset.splits(), key=lambda split: (*NEEDED, split).index(split)):
        try:
            paired = dataset.paired(split)
            pairs, problems = dataset.pairs(split)
        except DatasetError:  # the folder is empty: a problem of that folder alone
            empty = Problem(f"images/{split}", f"has no images ({SOME_ENDINGS})")
            facts[split] = SplitFacts((), (empty,))
            continue
        if split not in NEEDED and not pairs and not paired.orphans and not paired.twice:
            facts[split] = SplitFacts((), (), len(paired.unlabelled))
            continue
        read = _read(dataset, split, pairs)
        problems += [r for r in read if isinstance(r, Problem)]
        facts[split] = SplitFacts(tuple(r.facts for r in read if isinstance(r, _ReadFrame)), tuple(problems))
    return facts


class _ReadFrame(NamedTuple):
    """What is known of a frame after the pass. kept: the sample, if there was room for it."""

    facts: FrameFacts
    digests: Digests
    kept: Sample | None


def _read(
    dataset: DatasetFolder, split: str, pairs: Sequence[ImageMaskPair], *, memory: int = 0, quiet: bool = False
) -> list[_ReadFrame | Problem]:
    classes, close = len(dataset.classes), looked_at(len(pairs))
    room, lock = memory, threading.Lock()

    def read(index: int) -> _ReadFrame | Problem:
        nonlocal room
        sample = dataset.read(pairs[index])
        if isinstance(sample, Problem):
            return sample
        facts = FrameFacts.of(sample, classes, closely=index in close)
        with lock:  # here and not by the caller: what is not kept must not wait for it
            fits = _bytes(sample) <= room
            room -= _bytes(sample) if fits else 0
        return _ReadFrame(facts, sample.digests, sample if fits else None)

    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        bar.disable = bar.console.quiet = quiet
        return list(bar.track(pool.map(read, range(len(pairs))), total=len(pairs), description=f"reading {split}"))


def _bytes(sample: Sample) -> int:
    return sample.frame.nbytes + sample.mask.nbytes


def _sha256(dataset: DatasetFolder, pairs: Sequence[ImageMaskPair], digests: Sequence[Digests]) -> str:
    classes = dataset.path / CLASSES_FILE
    images = [(pair.image, image) for pair, (image, _) in zip(pairs, digests, strict=True)]
    masks = [(pair.mask, mask) for pair, (_, mask) in zip(pairs, digests, strict=True)]
    whole = hashlib.sha256()
    for path, digest in [(classes, hashlib.sha256(classes.read_bytes()).digest()), *images, *sorted(masks)]:
        whole.update(os.fsencode(name_in(path, dataset.path)))
        whole.update(digest)
    return whole.hexdigest()
