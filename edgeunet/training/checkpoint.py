"""Checkpoints: the network, what it is, and what a training run needs to go on.

Plain dictionaries of tensors, numbers and strings, so that they load with weights_only=True: a
checkpoint from somebody else can't run code.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edgeunet.errors import ModelFileError
from edgeunet.files import replacing
from edgeunet.model import UNet, UNetConfig
from edgeunet.spec import ModelSpec

FORMAT = "edgeunet.checkpoint/1"


def save_checkpoint(path: str | Path, net: UNet, spec: ModelSpec, *, run: dict[str, Any] | None = None) -> None:
    """Write the network and its spec, and in `run` what resuming needs; replaces an older file in one step."""
    value = {
        "format": FORMAT,
        "config": asdict(net.config),
        "spec": spec.to_json(),
        "model": net.state_dict(),
        "run": run or {},
    }
    data = io.BytesIO()
    torch.save(value, data)  # to memory: on a full disk torch would hide the reason
    with replacing(path, force=True) as temporary:
        temporary.write_bytes(data.getbuffer())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary of save_checkpoint; raises ModelFileError if the file is missing, damaged or not ours."""
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path}: no such checkpoint; `edgeunet train` makes one")
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for each way in which a file can be damaged
        raise ModelFileError(f"{path} is not a readable checkpoint (truncated, or another kind of file)") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ModelFileError(f"{path} is not an edgeunet checkpoint of this version: train it again")
    return value


def load_model(path: str | Path) -> tuple[UNet, ModelSpec]:
    """The network in eval mode, on the CPU, float32, and its spec; raises ModelFileError as read_checkpoint."""
    value = read_checkpoint(path)
    net = UNet(UNetConfig(**value["config"]))
    net.load_state_dict(value["model"])
    return net.eval(), ModelSpec.from_json(value["spec"], origin=str(path))
