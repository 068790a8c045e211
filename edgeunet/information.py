"""What `edgeunet info` says of a preset, a checkpoint or a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeunet.errors import UsageError
from edgeunet.spec import ModelSpec

_PRESET_SIZE = (256, 320)  # of a preset that was asked for without a size


def describe(model: str, size: tuple[int, int] | None) -> dict[str, Any]:
    """Facts by name, in the order in which to show them.

    model: a preset's name or a path. size: (height, width) to count for; the model's own, or
    256×320 for a preset. Raises ModelFileError for a file that is no model of ours.
    """
    path = Path(model)
    if path.suffix == ".pt":
        from edgeunet.training.checkpoint import load_model

        net, spec = load_model(path)
        return _spec_facts(spec, path) | _cost(net.config, size or spec.input_size)
    if path.suffix:
        if size is not None:
            raise UsageError(f"{model} has its input size built in: --size is for presets and checkpoints")
        if path.suffix == ".engine":  # its sidecar knows all, without the GPU
            from edgeunet.runtime.plan import PlanInfo, sidecar_of

            info = PlanInfo.load(sidecar_of(path))
            built_for = f"{info.gpu}, {info.provider} {info.tensorrt_version}"
            return _spec_facts(info.spec, path) | {"built for": built_for}
        from edgeunet.runtime import open_session

        with open_session(path) as session:
            return _spec_facts(session.spec, path)
    from edgeunet.model import preset

    return _cost(preset(model, classes=1), size or _PRESET_SIZE)


def _cost(config: Any, size: tuple[int, int]) -> dict[str, Any]:
    from edgeunet.complexity import complexity

    cost = complexity(config, size)
    blocks = [
        f"{width} channels, dilated {', '.join(map(str, dilations))}"
        for width, dilations in zip(config.widths, config.residual, strict=bool(config.residual))
        if dilations
    ]
    return {
        "levels": ", ".join(map(str, config.features)),
        "bottleneck": config.widths[-1],
        "first level": "the frame's size" if config.stride == 1 else "half the frame's size",
        **({"residual blocks": "; ".join(blocks)} if blocks else {}),
        "upsampling": config.up,
        "counted for": f"{size[0]}×{size[1]}",
        "parameters": cost.parameters,
        "GFLOPs": round(cost.flops / 1e9, 2),
        "peak activation memory (MiB)": round(cost.activation_bytes / 2**20, 1),
    }


def _spec_facts(spec: ModelSpec, path: Path) -> dict[str, Any]:
    origin = spec.provenance
    facts = {
        "classes": ", ".join(spec.names),
        "input size": f"{spec.input_size[0]}×{spec.input_size[1]} ({spec.fit})",
        "precision": origin.precision,
        "made for": origin.target,
        "file size (MiB)": round(path.stat().st_size / 2**20, 2),
        "calibration": origin.calibration,
        "made from checkpoint": origin.checkpoint_sha256[:12],
        "made from model": origin.parent_sha256[:12],
        "trained on data": origin.dataset_sha256[:12],
        "edgeunet": origin.version,
    }
    return {key: value for key, value in facts.items() if value}
