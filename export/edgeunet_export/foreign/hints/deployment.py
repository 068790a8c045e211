"""Hints of mmdeploy's pipeline.json and PaddleSeg's deploy.yaml: the transforms that an SDK runs before the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeunet_export.foreign.hints.hint import Hint, scale_from, size_from

PIPELINE = "pipeline.json"
DEPLOY = "deploy.yaml"


def hint_of_pipeline(values: Mapping[str, Any]) -> Hint | None:
    """mmdeploy's: mean and std are in 0–255, in the order after `to_rgb`."""
    tasks = _mapping(values.get("pipeline")).get("tasks")
    for task in tasks if isinstance(tasks, list) else []:
        transforms = _by_type(_mapping(task).get("transforms"))
        if (normalize := transforms.get("Normalize")) is not None:
            resize = transforms.get("Resize", {})
            return Hint(
                PIPELINE,
                "rgb" if normalize.get("to_rgb", True) else "bgr",
                scale_from(normalize.get("mean"), normalize.get("std"), 1.0),
                fit="stretch" if resize.get("keep_ratio") is False else None,
            )
    return None


def hint_of_deploy(values: Mapping[str, Any]) -> Hint | None:
    """PaddleSeg's: RGB; mean and std, 0.5 if they are not written, are of 0 to 1. Without Normalize it is 0 to 255."""
    deploy = _mapping(values.get("Deploy"))
    if not isinstance(deploy.get("transforms"), list):
        return None
    transforms = _by_type(deploy["transforms"])
    normalize = transforms.get("Normalize")
    if normalize is None:
        scale = scale_from(0.0, 1.0, 1.0)
    else:
        scale = scale_from(normalize.get("mean", [0.5] * 3), normalize.get("std", [0.5] * 3))
    sides = transforms.get("Resize", {}).get("target_size")  # (width, height)
    size = size_from(sides[1], sides[0]) if isinstance(sides, list) and len(sides) == 2 else None
    return Hint(DEPLOY, "rgb", scale, size=size, fit="stretch" if size else None)


def _by_type(transforms: Any) -> dict[str, Mapping[str, Any]]:
    listed = map(_mapping, transforms) if isinstance(transforms, list) else ()
    return {str(transform.get("type")): transform for transform in listed}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
