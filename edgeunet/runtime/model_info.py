"""Facts of a preset, a checkpoint or a model file, and its costs. Never imports torch for a model file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgeunet.errors import UsageError
from edgeunet.spec import BGR, ModelSpec
from edgeunet.utils.dependencies import needed
from edgeunet.utils.model_kind import is_checkpoint

SCHEMA = "edgeunet.info/1"
_PRESET_SIZE = (256, 320)  # for a preset without a size


def describe_model(model: str, size: tuple[int, int] | None) -> dict[str, Any]:
    """Facts by name, as in the JSON: numbers, texts, lists.

    model: a preset's name or a path. size: (height, width) to count for; the model's own, or 256×320 for a preset.
    Runs nothing. Raises ModelFileError for a file that is not a model of ours,
    UsageError for a folder or an unknown name.
    """
    path = Path(model)
    if path.is_dir():
        raise UsageError(f"{model} is a folder: for a dataset use `edgeunet data stats {model}`")
    if is_checkpoint(path):
        from edgeunet.network.checkpoint import load_model

        net, spec = load_model(path)
        return {"schema": SCHEMA, **_spec_facts(spec, path), **_network_cost(net.config, size or spec.input_size)}
    if path.suffix or path.is_file():
        if size is not None:
            raise UsageError(f"{model} has its input size built in: --size is for presets and checkpoints")
        if path.suffix == ".engine":  # its .json knows all, without the GPU
            from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path

            info = EngineInfo.load(info_path(path))
            built_for = {"gpu": info.gpu, "provider": info.provider, "tensorrt_version": info.tensorrt_version}
            return {"schema": SCHEMA, **_spec_facts(info.spec, path), **built_for}
        from edgeunet.runtime.model_metadata import read_spec

        spec = read_spec(path)
        return {"schema": SCHEMA, **_spec_facts(spec, path), **_graph_cost(path, spec.input_size)}
    return {"schema": SCHEMA, "model": model, **_preset_cost(model, size or _PRESET_SIZE)}


def _spec_facts(spec: ModelSpec, path: Path) -> dict[str, Any]:
    origin = spec.provenance
    facts = {
        "model": path.name,
        "classes": list(spec.names),
        "input_size": list(spec.input_size),
        "tiles": list(spec.tiles) if spec.tiles != (1, 1) else [],
        "channels": spec.channels if spec.channels != BGR.channels else 0,
        "pixel_levels": [list(pair) for pair in spec.levels],
        "fit": spec.fit,
        "precision": origin.precision,
        "target": origin.target,
        "runs_fastest_with": str(spec.execution or ""),
        "on": spec.execution.processor if spec.execution else "",
        "trust": asdict(spec.trust) if spec.trust else {},
        "file_bytes": path.stat().st_size if path.is_file() else 0,
        "calibration": origin.calibration,
        "checkpoint_sha256": origin.checkpoint_sha256,
        "parent_sha256": origin.parent_sha256,
        "pretrained_sha256": origin.pretrained_sha256,
        "dataset_sha256": origin.dataset_sha256,
        "trained_on": origin.splits,
        "edgeunet_version": origin.version,
    }
    return {name: value for name, value in facts.items() if value}


def _preset_cost(name: str, size: tuple[int, int]) -> dict[str, Any]:
    with needed("torch", "counting what a preset costs"):
        from edgeunet.network.unet import preset
    return _network_cost(preset(name, classes=1, advice=", or give a file"), size)


def _network_cost(config: Any, size: tuple[int, int]) -> dict[str, Any]:
    from edgeunet.network.complexity import complexity
    from edgeunet.network.unet import require_input

    require_input(config, size)
    cost = complexity(config, size)
    blocks = [
        {"channels": width, "dilations": list(dilations)}
        for width, dilations in zip(config.widths, config.residual, strict=bool(config.residual))
        if dilations
    ]
    return {
        **({"encoder": config.encoder, "encoder_levels": list(config.skips[:-1])} if config.encoder else {}),
        "levels": list(config.features),
        "bottleneck": config.widths[-1],
        "first_stride": config.stride,
        **({"residual_blocks": blocks} if blocks else {}),
        "upsampling": config.up,
        "counted_for": list(size),
        "parameters": cost.parameters,
        "gflops": round(cost.flops / 1e9, 2),
        "activation_bytes": cost.activation_bytes,
    }


def _graph_cost(path: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Of a .onnx file; nothing if ONNX is not installed, which a board does not need."""
    try:
        from edgeunet.network.graph_cost import graph_cost
    except ModuleNotFoundError:
        return {}
    cost = graph_cost(path)
    return {"counted_for": list(size), "parameters": cost.parameters, "gflops": round(cost.flops / 1e9, 2)}
