"""A warning where a model is judged on frames that it has been trained on."""

from __future__ import annotations

from pathlib import Path

from edgeunet.spec import ModelSpec
from edgeunet.utils import console


def warn_of_seen(split: str, spec: ModelSpec, model: Path) -> None:
    """Print a line on stderr if the model was trained on val, or another split than train, and is judged on that.

    The splits of two datasets may have the same name: whether the frames are the same is for the user to say.
    """
    if split and split in spec.provenance.splits.split(","):
        console.stderr().print(
            f"warning: {model} was trained on {spec.provenance.splits}: on the same frames, scores of {split} are too "
            "good, and what is lost looks too small"
        )
