"""Hints inside an ONNX file: its metadata_props, which tools fill with texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeunet_export.foreign.hints.hint import Hint, names_from, scale_from, size_from, value_of

_ORIGIN = "its metadata"


def hint_in_metadata(metadata: Mapping[str, str]) -> Hint | None:
    """What the texts of a file say of its input and its classes; None if nothing."""
    values = {key: value_of(text) if text not in ("RGB", "BGR") else text for key, text in metadata.items()}
    if metadata.get("author") == "Ultralytics" or {"stride", "task", "names"} <= metadata.keys():
        return _ultralytics(values)
    hint = hint_of_parameters(values, _ORIGIN)
    return hint if hint.scale or hint.names else None


def _ultralytics(values: Mapping[str, Any]) -> Hint:
    """Frames are RGB from 0 to 1, letterboxed; documented at docs.ultralytics.com/modes/export."""
    sides = values.get("imgsz")
    size = size_from(*sides) if isinstance(sides, list) and len(sides) == 2 else None
    grey = values.get("channels") == 1
    return Hint(
        "Ultralytics' metadata",
        "grey" if grey else "rgb",
        scale_from(0.0, 1.0),
        names_from(values.get("names")),
        size,
        "letterbox",
    )


def hint_of_parameters(values: Mapping[str, Any], origin: str) -> Hint:
    """The keys of smp's get_preprocessing_params(): mean, std, input_space, input_range; and names of classes.

    mean and std are of frames from 0 to `input_range[1]`. Without input_space the order is not said.
    """
    span = values.get("input_range")
    top = span[1] if isinstance(span, list) and len(span) == 2 and span[1] in (1, 255) else 1
    scale = scale_from(values.get("mean"), values.get("std"), 255.0 / top)
    space = str(values.get("input_space", "")).lower()
    names = next(filter(None, (names_from(values.get(key)) for key in ("names", "classes", "id2label"))), ())
    if space not in ("rgb", "bgr"):
        return Hint(origin, None, scale, names, certain=False)
    return Hint(origin, "rgb" if space == "rgb" else "bgr", scale, names)
