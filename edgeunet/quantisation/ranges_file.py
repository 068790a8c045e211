"""The value range of each tensor of one model: measured once, stored, and read for every INT8 target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgeunet.errors import MismatchError, RecordError
from edgeunet.utils.files import write_json
from edgeunet.utils.json_fields import NotNegative, Number, Whole, read_json

SCHEMA = "edgeunet.ranges/1"
REMEDY = "calibrate again with `edgeunet export int8 MODEL --data DATASET`"
_SHOWN = 12  # digits of a hash in a message

ValueRange = tuple[float, float]
"""The smallest and the largest value, in the tensor's own unit."""


@dataclass(frozen=True)
class TensorRange:
    """Of one float tensor, in its own unit.

    low, high: the smallest and the largest value seen; zero, which must stay exact, always lies between them.
    clips: the |x| at which each method of calibration.METHODS clips; 0 for a tensor that is always zero.
    method: the one in use.
    bin_width, histogram: counts of |x| in bins that start at 0, for people.
    """

    low: Number
    high: Number
    clips: Mapping[str, NotNegative]
    method: str
    bin_width: NotNegative
    histogram: tuple[Whole, ...]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= 0 <= self.high):
            raise RecordError(f"a range runs from at most 0 to at least 0, got {self.low} to {self.high}: {REMEDY}")
        if self.method not in self.clips or not all(0 <= c < math.inf for c in self.clips.values()):
            raise RecordError(f"a range needs the clip of its method {self.method!r}, got {self.clips}: {REMEDY}")

    @property
    def value_range(self) -> ValueRange:
        """The smallest and the largest value that INT8 must hold: every target computes its scale from them."""
        clip = self.clips[self.method]
        return max(self.low, -clip), min(self.high, clip)


@dataclass(frozen=True)
class Ranges:
    """The ranges of one model's tensors, and where they come from.

    model_sha256: of the model, as `edgeunet_export` computes it; "" if they fit every model made from the checkpoint.
    images_sha256: of the contents of the images used; names and order do not matter.
    split, seed, method: of the options; a tensor's own method may differ after a repair.
    images: how many were used. offered: how many there were, including duplicates and frames of one colour.
    plain: how many were left out because they show one colour.
    settled: whether calibration stopped early because more images no longer changed the ranges.
    tensors: the ranges of value_ranges.ranged_tensors.
    checkpoint_sha256: of the checkpoint whose training they come from; "" if they were measured on a model.
    """

    model_sha256: str
    images_sha256: str
    split: str
    seed: Whole
    method: str
    images: Whole
    offered: Whole
    plain: Whole
    settled: bool
    tensors: Mapping[str, TensorRange]
    checkpoint_sha256: str = ""

    @property
    def summary(self) -> str:
        """Method and images, for people: "mse, settled after 96 of 256 images"."""
        after = f"settled after {self.images} of {self.offered}" if self.settled else f"{self.images}"
        plain = f" ({self.plain} of one colour left out)" if self.plain else ""
        return f"{self.method}, {after} image{'' if self.offered == 1 else 's'}{plain}"

    @property
    def value_ranges(self) -> dict[str, ValueRange]:
        """The smallest and the largest value that INT8 must hold, of each tensor."""
        return {tensor: entry.value_range for tensor, entry in self.tensors.items()}

    def with_methods(self, methods: Mapping[str, str]) -> Ranges:
        """The same ranges with another method for some tensors, by the tensor's name."""
        changed = {tensor: replace(self.tensors[tensor], method=method) for tensor, method in methods.items()}
        return replace(self, tensors={**self.tensors, **changed})

    def require_model(self, sha256: str, checkpoint_sha256: str, path: Path) -> None:
        """Raise MismatchError unless these are the ranges of the model at `path`.

        sha256: its hash. checkpoint_sha256: that of the checkpoint that it was exported from.
        """
        kind, found, expected = "model", sha256, self.model_sha256
        if self.checkpoint_sha256:
            kind, found, expected = "checkpoint", checkpoint_sha256, self.checkpoint_sha256
        if found != expected:
            raise MismatchError(
                f"the ranges are for the {kind} {expected[:_SHOWN]}, but the {kind} of {path} is {found[:_SHOWN]}: "
                "give the ranges of this model, or calibrate it with --data"
            )

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write them as JSON with exact numbers; raises OutputError if `path` exists and `force` is false."""
        write_json(path, {"schema": SCHEMA, **asdict(self)}, force=force)

    @classmethod
    def load(cls, path: str | Path) -> Ranges:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        return read_json(path, cls, error=RecordError, what="a file of ranges", remedy=REMEDY, schema=SCHEMA)
