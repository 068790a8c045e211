"""Checkpoints: the network, its spec, and what a training run needs to continue.

Plain dictionaries of tensors, numbers and strings, so that they load with weights_only=True: a checkpoint from an
unknown source cannot run code. Its description is checked against its tensors before a network is built.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from edgeunet.errors import MissingDependencyError, ModelFileError, UsageError
from edgeunet.network.unet import UNet, UNetConfig, require_input
from edgeunet.spec import ModelSpec, made_later
from edgeunet.utils.files import replacing
from edgeunet.utils.json_fields import plain_reason
from edgeunet.utils.model_kind import kind_of, not_a_file, other_kind

FORMAT = "edgeunet.checkpoint/1"
OLDEST_TORCH = (2, 6)
"""Before it, `weights_only` did not keep a file from running code (CVE-2025-32434)."""
_FIELDS = {"format", "config", "spec", "model", "run"}
_WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of a network's tensors."""
_UNPACKED, _RATIO = 64 << 20, 4
"""A file may unpack to that many bytes, or to that many times its own size: torch does not compress."""


def save_checkpoint(path: str | Path, net: UNet, spec: ModelSpec, *, run: dict[str, Any] | None = None) -> None:
    """Write the network and its spec, with `run`, what resuming needs; replaces an older file in one step."""
    value = {
        "format": FORMAT,
        # Without what most networks lack: versions before encoders read the file.
        "config": {name: field for name, field in asdict(net.config).items() if field or name != "encoder"},
        "spec": spec.to_json(),
        "model": net.state_dict(),
        "run": run or {},
    }
    data = io.BytesIO()
    torch.save(value, data)  # to memory: on a full disk torch would hide the reason
    with replacing(path, force=True) as temporary:
        temporary.write_bytes(data.getbuffer())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary of save_checkpoint: all its fields and no others; their values are not checked.

    Raises ModelFileError if the file is missing, damaged, of another kind, or larger inside than it is itself.
    """
    path = Path(path)
    if not path.is_file():
        raise not_a_file(path, "checkpoint", "edgeunet train")
    if error := other_kind(path, "checkpoint"):
        raise error
    if kind_of(path) != "checkpoint":
        raise ModelFileError(f"{path} is not a readable checkpoint (truncated, or another kind of file)")
    require_safe_torch()
    require_unpacked_size(path)
    try:
        value: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for each way in which a file can be damaged
        raise ModelFileError(f"{path} is not a readable checkpoint (truncated, or another kind of file)") from error
    version = value.get("format") if isinstance(value, dict) else None
    if not isinstance(version, str) or not version.startswith("edgeunet.checkpoint/"):
        raise ModelFileError(
            f"{path} is a PyTorch file of another project: edgeunet reads the checkpoints of `edgeunet train`"
        )
    if version != FORMAT or value.keys() - _FIELDS:
        raise ModelFileError(made_later(str(path), f"it is of format {version}, with {', '.join(map(str, value))}"))
    if lacking := _FIELDS - value.keys():
        raise ModelFileError(f"{path} is a damaged checkpoint (it has no {min(lacking)}): train it again")
    return dict(value)


def load_model(path: str | Path) -> tuple[UNet, ModelSpec]:
    """The network in eval mode, on the CPU, float32, and its spec; raises ModelFileError as read_checkpoint."""
    return model_of(read_checkpoint(path), str(path))


def load_model_at(
    path: str | Path, size: tuple[int, int] | None, tiles: tuple[int, int] | None
) -> tuple[UNet, ModelSpec, ModelSpec]:
    """As load_model, and a third value: the spec for another input size, (height, width), or other tiles.

    tiles: (rows, columns). None keeps what the network was trained with.
    Raises UsageError for a size that is too small for the network.
    """
    net, spec = load_model(path)
    changed = replace(spec, input_size=size or spec.input_size, tiles=tiles or spec.tiles)
    require_input(net.config, changed.input_size)
    return net, spec, changed


def model_of(value: dict[str, Any], origin: str) -> tuple[UNet, ModelSpec]:
    """As load_model, from what read_checkpoint returned. origin: the file's name, for errors."""
    if not isinstance(value["spec"], str):
        raise ModelFileError(f"{origin} is a damaged checkpoint (its spec is not text): train it again")
    spec = ModelSpec.from_json(value["spec"], origin=origin)
    config = _config(value["config"], origin)
    try:
        if (config.classes, config.in_channels) != (spec.logits, spec.channels):
            raise UsageError(
                f"its network has {config.in_channels} channels in and {config.classes} out, "
                f"its spec needs {spec.channels} and {spec.logits}"
            )
        require_input(config, spec.input_size)
    except UsageError as error:
        raise ModelFileError(f"{origin} is a damaged checkpoint ({error}): train it again") from error
    weights = _weights(value["model"], config, origin)
    net = UNet(config)
    net.load_state_dict(weights)
    return net.eval(), spec


def _config(value: Any, origin: str) -> UNetConfig:
    fields = UNetConfig.__dataclass_fields__
    if not isinstance(value, dict):  # msgspec would ask a tensor for its items
        raise ModelFileError(f"{origin} is a damaged checkpoint (its network is not described): train it again")
    if unknown := [name for name in value if name not in fields]:
        raise ModelFileError(made_later(origin, f"its network has the field {str(unknown[0])[:60]!r}"))
    try:
        return msgspec.convert(value, UNetConfig)
    except (ValueError, RecursionError, OverflowError) as error:
        reason = plain_reason(error)
        raise ModelFileError(f"{origin} is a damaged checkpoint (its network: {reason}): train it again") from error


def _weights(value: Any, config: UNetConfig, origin: str) -> dict[str, Tensor]:
    """A network's tensors, checked against a network without memory for them: a damaged file costs little."""
    with torch.device("meta"):
        needed = UNet(config).state_dict()
    return require_tensors(value, needed, origin)


def require_tensors(value: Any, needed: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """Tensors by name, without the prefixes of wrappers; raises ModelFileError unless they are those needed.

    needed: tensors of the same shapes and kinds of number, by name.
    """
    damaged = f"{origin} is a damaged checkpoint"
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ModelFileError(f"{damaged} (its weights are not tensors by name): train it again")
    weights = dict(value)
    while weights and (prefix := next((p for p in _WRAPPERS if all(n.startswith(p) for n in weights)), "")):
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    for name, like in needed.items():
        tensor = weights.get(name)
        if tensor is None or not _holds(tensor, like):
            got = f"{list(tensor.shape)} {tensor.dtype}" if isinstance(tensor, Tensor) else "none"
            what = f"{name} must be {list(like.shape)} {like.dtype}, got {got}"
            raise ModelFileError(f"{damaged} ({what}): train it again")
        if not tensor.isfinite().all():  # it would give masks, of one class
            raise ModelFileError(f"{damaged} ({name} has NaN or infinite values): train it again")
    if further := weights.keys() - needed.keys():
        raise ModelFileError(f"{damaged} (its weights have {min(further)[:80]}, its network does not): train it again")
    return weights


def _holds(tensor: Any, like: Tensor) -> bool:
    """Whether a tensor has the shape and kind of number of another, and all its numbers are in memory."""
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_meta:
        return False
    same = tensor.shape == like.shape and tensor.dtype.is_floating_point == like.dtype.is_floating_point
    return same and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


def require_safe_torch() -> None:
    found = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if found and (int(found[1]), int(found[2])) < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        raise MissingDependencyError(
            f"PyTorch {oldest}",
            f"loading a checkpoint (the {torch.__version__} here may run code that is hidden in one)",
            f"pip install 'torch>={oldest}'",
        )


def require_unpacked_size(path: Path) -> None:
    """Raise ModelFileError for a file of torch.save() that unpacks to far more than its own size."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelFileError(f"{path} is not a readable checkpoint (truncated, or another kind of file)") from error
    size = path.stat().st_size
    if unpacked > max(_UNPACKED, _RATIO * size):
        raise ModelFileError(
            f"{path} has {size} bytes and unpacks to {unpacked >> 20} MB, more than any checkpoint: copy it again "
            "from where it was made"
        )
