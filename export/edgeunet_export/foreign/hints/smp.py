"""Hints of segmentation_models.pytorch: config.json of save_pretrained(), and the transform that is saved with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeunet.spec import ModelSpec
from edgeunet_export.foreign.hints.hint import Hint, scale_from, size_from
from edgeunet_export.foreign.hints.metadata import hint_of_parameters

TRANSFORM = "albumentations_config_eval.json"
_HALF = ("inceptionv4", "inceptionresnetv2", "xception")  # encoders of smp whose ImageNet weights take -1 to 1


def hint_of_encoder(values: Mapping[str, Any], origin: str) -> Hint | None:
    """What the encoder's ImageNet weights were trained with: users mostly keep it, but nothing in smp makes them."""
    if not isinstance(encoder := values.get("encoder_name"), str):
        return None
    said = hint_of_parameters(values, origin)
    if said.scale or values.get("encoder_weights") != "imagenet" or encoder.startswith("tu-"):  # timm's differ
        return said
    mean, std = ModelSpec.mean[::-1], ModelSpec.std[::-1]
    scale = scale_from(0.5, 0.5) if encoder in _HALF else (mean, std)
    return Hint(origin, "rgb", scale, said.names, certain=False)


def hint_of_transform(values: Mapping[str, Any]) -> Hint | None:
    """Albumentations' Normalize and Resize. It does not say the order of colours: RGB is usual."""
    compose = values.get("transform")
    listed = compose.get("transforms") if isinstance(compose, Mapping) else None
    steps = {
        str(step.get("__class_fullname__")).rpartition(".")[2]: step
        for step in (listed if isinstance(listed, list) else [])
        if isinstance(step, Mapping)
    }
    normalize, resize = steps.get("Normalize"), steps.get("Resize", {})
    if normalize is None:
        return None
    top = normalize.get("max_pixel_value", 255.0)
    size = size_from(resize.get("height"), resize.get("width"))
    return Hint(
        TRANSFORM,
        "rgb",
        scale_from(normalize.get("mean"), normalize.get("std"), top),
        size=size,
        fit="stretch" if size else None,
        certain=False,
    )
