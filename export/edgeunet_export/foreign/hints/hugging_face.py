"""Hints of Hugging Face's transformers: preprocessor_config.json and config.json, which save_pretrained() writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeunet_export.foreign.hints.hint import Hint, names_from, scale_from, size_from

PREPROCESSOR = "preprocessor_config.json"


def hint_of_preprocessor(values: Mapping[str, Any]) -> Hint:
    """Its image processor: value · rescale_factor, then (value - image_mean) / image_std; RGB unless it is flipped."""
    factor = values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 1.0
    mean, std = (values.get("image_mean"), values.get("image_std")) if values.get("do_normalize", True) else (0.0, 1.0)
    scale = scale_from(mean, std, 1 / factor) if type(factor) in (int, float) and factor > 0 else None
    channels = len(scale[0]) if scale and isinstance(mean, list) else 3
    flipped = values.get("do_flip_channel_order", False)
    side = values.get("size")
    sides = (side.get("height"), side.get("width")) if isinstance(side, Mapping) else (side, side)  # of older versions
    size = size_from(*sides)
    return Hint(
        PREPROCESSOR,
        "grey" if channels == 1 else "bgr" if flipped else "rgb",
        scale,
        size=size,
        fit="stretch" if size and values.get("do_resize", True) else None,
    )


def hint_of_labels(values: Mapping[str, Any], origin: str) -> Hint:
    """The names of the classes in a config.json."""
    return Hint(origin, names=names_from(values.get("id2label")))
