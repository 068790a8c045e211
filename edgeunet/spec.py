"""What a model file says of itself: classes, colours, input size, how frames are fitted, where it comes from.

Stored as JSON in the ONNX metadata, in the checkpoint and beside an engine, so that no setting
is ever typed again at inference.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from edgeunet.errors import MismatchError, ModelFileError, UsageError

METADATA_KEY = "edgeunet.spec"
SCHEMA = 1
IGNORE = 255
"""Mask value of pixels that count neither in the loss nor in a metric, once a dataset is loaded."""

Fit = Literal["letterbox", "stretch"]
Precision = Literal["fp32", "fp16", "int8", "int8+fp16"]


@dataclass(frozen=True)
class ClassInfo:
    """One class: its name and the colour it is drawn in, (red, green, blue)."""

    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Provenance:
    """Where a model file comes from: what it needs to be trusted. Empty where it does not apply."""

    network: str = ""  # the preset's name, if it is one
    precision: Precision = "fp32"
    checkpoint_sha256: str = ""
    dataset_sha256: str = ""
    parent_sha256: str = ""  # the model file that this one was made from
    target: str = ""  # what 8 bits are written for: "tensorrt" or "cpu"
    calibration: str = ""  # method and number of frames
    calibration_sha256: str = ""  # of the frames the ranges come from
    version: str = ""  # of edgeunet


@dataclass(frozen=True)
class ModelSpec:
    """The contract of one model.

    input_size: (height, width) in pixels of the frame the network takes.
    fit: how a camera frame of another size gets there; "letterbox" keeps its shape and pads,
        "stretch" does not (frames.py does it, for dataset, calibration and camera alike).
    mean, std: (blue, green, red) in 0–255, subtracted and divided inside the graph.
    """

    classes: tuple[ClassInfo, ...]
    input_size: tuple[int, int]
    fit: Fit = "letterbox"
    ignore_index: int | None = None  # of the dataset's mask files
    mean: tuple[float, float, float] = (103.53, 116.28, 123.675)
    std: tuple[float, float, float] = (57.375, 57.12, 58.395)
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= IGNORE:
            raise UsageError(f"a model has 2 to {IGNORE} classes, got {len(self.classes)}")
        if min(self.input_size) < 1:
            raise UsageError(f"the input size is (height, width) in pixels, got {self.input_size}")
        if self.fit not in ("letterbox", "stretch"):
            raise UsageError(f"fit is 'letterbox' or 'stretch', got {self.fit!r}")

    @property
    def logits(self) -> int:
        """Channels of the network's output: one logit tells two classes apart."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)

    def with_provenance(self, **changes: str) -> ModelSpec:
        """The same spec with some fields of its provenance replaced."""
        return replace(self, provenance=replace(self.provenance, **changes))  # type: ignore[arg-type]

    def require_classes(self, names: tuple[str, ...], *, model: str, dataset: str) -> None:
        """Raise MismatchError unless a dataset has exactly the classes of this model, in this order."""
        if names != self.names:
            raise MismatchError(
                f"{model} has the classes {', '.join(self.names)}; {dataset} has {', '.join(names)}: "
                "give a dataset of the same classes, in the same order"
            )

    def to_json(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def from_json(cls, text: str, *, origin: str) -> ModelSpec:
        """Read what to_json wrote. `origin` names the file in the ModelFileError."""
        try:
            value: dict[str, Any] = json.loads(text)
            if value.pop("schema") != SCHEMA:
                raise ModelFileError(f"{origin} was made by another version of edgeunet: export it again with this one")
            value["classes"] = tuple(ClassInfo(c["name"], _triple(c["color"])) for c in value["classes"])
            value["input_size"] = tuple(value["input_size"])
            value["mean"], value["std"] = _triple(value["mean"]), _triple(value["std"])
            value["provenance"] = Provenance(**value["provenance"])
            return cls(**value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"{origin} carries a damaged spec ({error}): export it again") from error


def size_from_text(text: str) -> tuple[int, int]:
    """ "256x320" → (256, 320), height and width in pixels; raises UsageError for anything else."""
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdigit() and width.isdigit()):
        raise UsageError(f"a size is HEIGHTxWIDTH such as 256x320, got {text!r}")
    return int(height), int(width)


def _triple(values: Any) -> Any:
    a, b, c = values
    return (a, b, c)
