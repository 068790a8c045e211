"""The spec in a model file: classes, colours, input size, how frames are fitted, where it comes from.

Stored as JSON in the ONNX metadata, in the checkpoint and next to an engine, so that inference needs no settings.
"""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

from edgeunet.errors import MismatchError, ModelFileError, UsageError
from edgeunet.trust import Trust
from edgeunet.utils.json_fields import from_json
from edgeunet.utils.limits import THREADS, require_in, require_size, require_tiles

METADATA_KEY = "edgeunet.spec"
SCHEMA = 1
IGNORE = 255
"""Mask value of pixels that count neither in the loss nor in a metric, once a dataset is loaded."""

CHANNELS = (1, 3, 4)
# Left out of a file, so that versions without these fields read it.
_ORDINARY: dict[str, Any] = {"channels": 3, "levels": (), "tiles": (1, 1)}
_ORDINARY |= {"pretrained_sha256": "", "splits": "", "execution": None, "trust": None}
Fit = Literal["letterbox", "stretch"]
OnnxBackend = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "fp16", "int8", "int8+fp16"]
_LONGEST = 500  # characters of a text


@dataclass(frozen=True)
class ClassInfo:
    """One class: its name and the colour it is drawn in, (red, green, blue)."""

    name: str
    color: tuple[int, int, int]

    def __post_init__(self) -> None:
        _require_text("a class's name", self.name)
        if not self.name.strip():
            raise UsageError("a class has an empty name: give it one")
        if len(self.color) != 3 or not all(0 <= value <= 255 for value in self.color):
            raise UsageError(f"the colour of {self.name} is (red, green, blue), each 0 to 255, got {self.color}")


@dataclass(frozen=True)
class Provenance:
    """Where a model file comes from, so that it can be trusted. Empty where it does not apply."""

    network: str = ""  # the preset's name, if it is one
    precision: Precision = "fp32"
    checkpoint_sha256: str = ""
    dataset_sha256: str = ""
    parent_sha256: str = ""  # the model file that this one was made from
    target: str = ""  # of the quantisation: "tensorrt" or "cpu"
    calibration: str = ""  # method and number of frames
    calibration_sha256: str = ""  # of the frames the ranges come from
    version: str = ""  # of edgeunet
    pretrained_sha256: str = ""  # of the file of ImageNet's weights that the first training started from
    splits: str = ""  # that it was trained on, with commas between them, also by its parents; "" for train alone

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            _require_text(f"the provenance's {name}", value)


@dataclass(frozen=True)
class Execution:
    """How a .onnx file runs fastest on one processor, as `edgeunet choose` found by measuring.

    processor: as board.machine.processor() names it; elsewhere the rest does not hold.
    compute: "bf16" where float numbers are rounded to 16 bits on the way.
    threads: of the CPU; None for as many as without a choice.
    pinned: whether each thread stays on a core.
    """

    processor: str
    backend: OnnxBackend
    compute: Literal["f32", "bf16"] = "f32"
    threads: int | None = None
    pinned: bool = True

    def __post_init__(self) -> None:
        _require_text("the processor of an execution", self.processor)
        require_in("threads", self.threads, 1, THREADS)

    def __str__(self) -> str:
        threads = "" if self.threads is None else f", {self.threads} thread" + "s" * (self.threads > 1)
        compute = "" if self.compute == "f32" else f" in {self.compute}"
        return f"{self.backend}{compute}{threads}{'' if self.pinned else ', threads not held on cores'}"


@dataclass(frozen=True)
class PixelFormat:
    """The pixels of a camera's frames and of image files: 1 (grey), 3 (BGR) or 4 channels, of 8 bits or `deep`, 16."""

    channels: int = 3
    deep: bool = False

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise UsageError(f"frames have 1, 3 or 4 channels, got {self.channels} (--channels)")

    @property
    def dtype(self) -> str:
        """NumPy's name of it."""
        return "uint16" if self.deep else "uint8"

    def __str__(self) -> str:
        order = {1: "grey", 3: "in BGR order", 4: "in BGR order, then the fourth channel"}[self.channels]
        return f"{self.dtype} [height, width, {self.channels}], {order}"


BGR = PixelFormat()
"""What cameras and image files give, if nothing else is asked for."""


@dataclass(frozen=True)
class ModelSpec:
    """The contract of one model.

    input_size: (height, width) in pixels of the frame the network takes.
    fit: how a camera frame of another size gets there; "letterbox" keeps its shape and pads,
        "stretch" does not (imaging/letterbox.py does it, for dataset, calibration and camera alike).
    mean, std: (blue, green, red), or one value for each channel, in 0–255; subtracted and divided inside the graph.
    channels: of the network's input: 1 (grey), 3 (blue, green, red) or 4 (blue, green, red and one more).
    levels: for frames of 16 bits, (low, high) for each channel: low becomes 0 and high 255, see imaging/pixels.py.
        Empty: frames have 8 bits.
    tiles: (rows, columns) of overlapping parts that a frame is cut into, each of `input_size`.
    execution: how the file was found to run fastest; None if that was not measured.
    trust: what its confidence and familiarity mean; None for a file without these outputs.
    """

    classes: tuple[ClassInfo, ...]
    input_size: tuple[int, int]
    fit: Fit = "letterbox"
    ignore_index: int | None = None  # of the dataset's mask files
    mean: tuple[float, ...] = (103.53, 116.28, 123.675)
    std: tuple[float, ...] = (57.375, 57.12, 58.395)
    provenance: Provenance = field(default_factory=Provenance)
    channels: int = 3
    levels: tuple[tuple[float, float], ...] = ()
    tiles: tuple[int, int] = (1, 1)
    execution: Execution | None = None
    trust: Trust | None = None

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= IGNORE:
            raise UsageError(f"a model has 2 to {IGNORE} classes, got {len(self.classes)}")
        if twice := {name for name in self.names if self.names.count(name) > 1}:
            raise UsageError(f"several classes have the name {min(twice)}: give each its own")
        require_size(self.input_size)
        require_fit(self.fit)
        if self.ignore_index is not None and not 0 <= self.ignore_index < 2**16:
            raise UsageError(f"the ignored mask value must be 0 to 65535, got {self.ignore_index}")
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            raise UsageError(f"mean and std are numbers, std above 0, got {self.mean} and {self.std}")
        _ = self.pixels  # raises for other channels
        if {len(self.mean), len(self.std)} != {self.channels} or len(self.levels) not in (0, self.channels):
            raise UsageError(
                f"mean, std and levels have one value for each of {self.channels} channel(s), got {self.mean}, "
                f"{self.std} and {self.levels}"
            )
        if not all(0 <= low < high < 2**16 for low, high in self.levels):
            raise UsageError(f"levels are LOW:HIGH with 0 <= LOW < HIGH <= 65535, got {self.levels}")
        require_tiles(self.tiles)

    @cached_property  # it is asked for with every frame
    def pixels(self) -> PixelFormat:
        """The pixels of a frame before it is fitted."""
        return PixelFormat(self.channels, bool(self.levels))

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the network's input, uint8."""
        return (*self.input_size, self.channels)

    @property
    def fitted_size(self) -> tuple[int, int]:
        """(height, width) in pixels that a frame is fitted to: what all tiles together cover.

        Neighbours share an eighth of a tile, so that no object is seen only at an edge.
        """
        rows, columns = (
            count * side - (count - 1) * (side // 8) for count, side in zip(self.tiles, self.input_size, strict=True)
        )
        return rows, columns

    @property
    def input_text(self) -> str:
        """The input for people: "256×320", or "2×3 tiles of 256×320"."""
        size, tiles = ("×".join(map(str, pair)) for pair in (self.input_size, self.tiles))
        return size if self.tiles == (1, 1) else f"{tiles} tiles of {size}"

    @property
    def logits(self) -> int:
        """Channels of the network's output: one logit tells two classes apart."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, in the order of the indices in a mask."""
        return tuple(c.name for c in self.classes)

    @staticmethod
    def usual_scale(pixels: PixelFormat) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) for frames of this kind: ImageNet's for the three channels of ordinary frames.

        For all other channels 127.5 and 63.75, which is about what levels make of a scene; batch norm does the rest.
        """
        plain = 0 if pixels.deep or pixels.channels == 1 else 3
        more = pixels.channels - plain
        return (*ModelSpec.mean[:plain], *(127.5,) * more), (*ModelSpec.std[:plain], *(63.75,) * more)

    def with_provenance(self, **changes: str) -> ModelSpec:
        """The spec of a file that is made from this one: some fields of its provenance are replaced, and nobody has
        measured how it runs.
        """
        return replace(self, provenance=replace(self.provenance, **changes), execution=None)  # type: ignore[arg-type]

    def require_classes(self, names: tuple[str, ...], *, model: str, dataset: str) -> None:
        """Raise MismatchError unless a dataset has exactly the classes of this model, in this order."""
        if names != self.names:
            raise MismatchError(
                f"{model} has the classes {', '.join(self.names)}; {dataset} has {', '.join(names)}: "
                "give a dataset of the same classes, in the same order"
            )

    def to_dict(self) -> dict[str, Any]:
        """Values that are JSON's, with the schema. What an ordinary model does not need is left out."""
        return {"schema": SCHEMA, **asdict(self, dict_factory=_extraordinary)}

    def to_json(self) -> str:
        """What a model file carries."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str, *, origin: str) -> ModelSpec:
        """Read what to_json wrote. `origin` names the file in the ModelFileError."""
        how: dict[str, Any] = {"origin": origin, "error": ModelFileError, "remedy": "export it again"}
        what = "a model file with a valid spec"
        if from_json(text, _Versioned, what=what, **how).schema > SCHEMA:
            raise ModelFileError(made_later(origin, "its spec is of a newer schema"))
        spec = from_json(text, cls, what=what, **how)
        if field_name := unknown_field(from_json(text, dict[str, Any], what=what, **how), spec.to_dict()):
            raise ModelFileError(made_later(origin, f"its spec has the field {field_name!r}"))
        return spec


def require_fit(fit: str) -> None:
    """Raise UsageError unless it is one of Fit."""
    if fit not in get_args(Fit):
        raise UsageError(f"fit is {' or '.join(map(repr, get_args(Fit)))}, got {fit!r}")


def _extraordinary(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if name not in _ORDINARY or value != _ORDINARY[name]}


@dataclass(frozen=True)
class _Versioned:
    schema: int


def made_later(origin: str, why: str) -> str:
    """The message for a file with something that this version does not know."""
    return f"{origin} was made by a later edgeunet ({why}): update this one, or make the file again with it"


def unknown_field(value: Any, known: Any) -> str:
    """The first field of a parsed JSON value that `known`, what was read from it, does not have; "" for none."""
    if isinstance(value, dict) and isinstance(known, dict):
        for name, inner in value.items():
            if name not in known:
                return str(name)[:60]
            if found := unknown_field(inner, known[name]):
                return found
    if isinstance(value, list) and isinstance(known, (list, tuple)):
        return next(filter(None, map(unknown_field, value, known)), "")
    return ""


_NOT_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of characters, breaks of lines


def _require_text(what: str, text: str) -> None:
    if len(text) > _LONGEST or any(unicodedata.category(letter) in _NOT_TEXT for letter in text):
        raise UsageError(f"{what} is a line of text of at most {_LONGEST} characters, got {text[:40]!r}")
