"""The ways to feed a network that are worth a trial: what is said is fixed, the rest is what people usually do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeunet.spec import ModelSpec
from edgeunet_export.foreign.hints.file_hints import SaidInput
from edgeunet_export.foreign.hints.hint import Scale
from edgeunet_export.foreign.preprocessing import Order, Preprocessing, scale_of_range

RANGES = ((0, 1), (0, 255), (-1, 1))
_IMAGENET = "ImageNet's mean and std"


class InputWay(NamedTuple):
    """One way, and the file that says it; "" for a usual one."""

    preprocessing: Preprocessing
    origin: str = ""


@dataclass(frozen=True)
class Given:
    """What the options say of the input; None where they say nothing. scale: in 0–255, in the network's order."""

    order: Order | None = None
    scale: Scale | None = None

    @property
    def is_whole(self) -> bool:
        return self.order is not None and self.scale is not None


def input_ways(channels: int, given: Given, said: SaidInput | None = None) -> list[InputWay]:
    """The way that the file says, then the usual ones, without what contradicts `given`; each once."""
    orders: tuple[Order, ...] = ("grey",) if channels == 1 else ("rgb", "bgr")
    found: dict[Preprocessing, str] = {}
    if said is not None:
        order, scale = said.preprocessing.order, (said.preprocessing.mean, said.preprocessing.std)
        # An option may say half of it.
        found[Preprocessing(given.order or order, *(given.scale or scale))] = said.origin
    for order in (given.order,) if given.order else orders:
        for scale in [given.scale] if given.scale else usual_scales(order, channels).values():
            way = Preprocessing(order, *scale)
            if not any(_is_same(way, other) for other in found):
                found[way] = ""
    return [InputWay(way, origin) for way, origin in found.items()]


def usual_scales(order: Order, channels: int) -> dict[str, Scale]:
    """(mean, std) by name. ImageNet's go with the colours, wherever these are; a grey network has their averages."""
    scales: dict[str, Scale] = {f"{low} to {high}": scale_of_range(low, high, channels) for low, high in RANGES}
    if channels > 3:
        return scales
    mean, std = ModelSpec.mean, ModelSpec.std  # blue, green, red
    if order == "grey":
        mean, std = ((sum(values) / 3,) for values in (mean, std))
    elif order == "rgb":
        mean, std = mean[::-1], std[::-1]
    return {**scales, _IMAGENET: (mean, std)}


def title_of(way: Preprocessing) -> str:
    """What people call it: "RGB, 0 to 1"."""
    order = "grey" if way.order == "grey" else way.order.upper()
    usual = usual_scales(way.order, way.channels).items()
    name = next((name for name, scale in usual if _is_same(way, Preprocessing(way.order, *scale))), "")
    return f"{order}, {name}" if name else str(way)


def options_of(way: Preprocessing) -> str:
    """The options of `edgeunet import` that say it: "--rgb --range 0:1"."""
    order = f"--{way.order} " if way.order != "grey" else ""
    for low, high in RANGES:
        if _is_same(way, Preprocessing(way.order, *scale_of_range(low, high, way.channels))):
            return f"{order}--range {low}:{high}"
    unit = 255.0 if max(way.std) < 2 * 255 and max(way.std) > 2 else 1.0
    mean, std = (",".join(f"{value / unit:.4g}" for value in values) for values in (way.mean, way.std))
    return f"{order}--mean {mean} --std {std}"


def _is_same(a: Preprocessing, b: Preprocessing) -> bool:
    """Whether they differ by rounding alone: people write three digits."""
    return a.order == b.order and np.allclose((a.mean, a.std), (b.mean, b.std), rtol=1e-3, atol=1e-3)
