"""Weights from a file, as tensors and never as code, into a network that they fit."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeunet.errors import MismatchError, MissingDependencyError, ModelFileError, not_found
from edgeunet.network.checkpoint import require_safe_torch, require_unpacked_size
from edgeunet.utils.formatting import one_line
from edgeunet.utils.model_kind import kind_of, other_kind

_HOLDERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights")
"""Where training scripts keep the weights among other things; Lightning and OpenMMLab write `state_dict`."""
_COUNTER = "num_batches_tracked"  # of batch norm: only training reads it
_REMEDY = "in the project that made it, torch.save(network.state_dict(), 'weights.pt') writes the weights alone"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a file of torch.save(), by their names.

    Raises ModelFileError for a file that is damaged, or that holds Python objects: they would run code.
    """
    if not path.is_file():
        raise ModelFileError(f"{not_found(path, 'file of weights')}: give --weights the file that your training wrote")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if kind_of(path) != "old checkpoint" and (other := other_kind(path, "checkpoint")):
        raise other
    if is_torchscript(path):
        raise ModelFileError(f"{path} is TorchScript, which has its network in it: edgeunet import {path} …")
    require_safe_torch()
    if zipfile.is_zipfile(path):
        require_unpacked_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions of pickle: what cannot be read is refused
            value: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"Python objects ({found[1]})" if found else "what is no tensor"
        raise ModelFileError(f"{path} holds {what}, and to load them would run code: {_REMEDY}") from error
    except Exception as error:  # torch raises a different type for each way in which a file can be damaged
        raise ModelFileError(f"{path} is not a file of weights ({_reason(error)}): {_REMEDY}") from error
    while isinstance(value, dict) and not any(isinstance(entry, Tensor) for entry in value.values()):
        value = next((value[key] for key in _HOLDERS if isinstance(value.get(key), dict)), None)
    weights = {name: t for name, t in (value or {}).items() if isinstance(t, Tensor)} if isinstance(value, dict) else {}
    if not weights:
        raise ModelFileError(f"{path} has no weights by name, on their own or under {', '.join(_HOLDERS)}: {_REMEDY}")
    if any(t.is_meta or t.is_quantized or t.layout != torch.strided for t in weights.values()):
        raise ModelFileError(f"{path} holds tensors that are quantised, sparse or without values (meta): {_REMEDY}")
    return weights


def is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())


def _reason(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", 120)


def load_weights(net: nn.Module, weights: Mapping[str, Tensor], *, origin: str, title: str) -> None:
    """Set all tensors of `net`. A prefix that wrappers put before all names ("module.", "model.") is taken off.

    origin: of the weights; title: of the network; both for messages.
    Raises MismatchError, with the first names, if they are not the weights of this network.
    """
    needed = net.state_dict()
    fitting = _without_prefix(weights, needed)
    missing = [name for name in needed if name not in fitting and not name.endswith(_COUNTER)]
    further = [name for name in fitting if name not in needed]
    other = [name for name in needed if name in fitting and fitting[name].shape != needed[name].shape]
    if other:
        there, here = list(fitting[other[0]].shape), list(needed[other[0]].shape)
        what = f"{other[0]} is {there} in the file and {here} in the network"
    else:
        what = " and ".join(
            f"{names[0]} is not in the {place}" for names, place in ((missing, "file"), (further, "network")) if names
        )
    if count := len(other) + len(missing) + len(further):
        raise MismatchError(
            f"{origin} does not fit {title}: {what} ({count} tensors differ): give the weights of this "
            "network, or the network of these weights"
        )
    net.load_state_dict(fitting, strict=False)  # only counters can be missing


def _without_prefix(weights: Mapping[str, Tensor], needed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights below the prefix under which most of the needed names are; what is not below it is left out."""
    prefixes = Counter({"": 0})
    for name in weights:
        starts = [0, *(place.end() for place in re.finditer(r"\.", name))]
        prefixes.update(name[:start] for start in starts if name[start:] in needed)
    prefix = prefixes.most_common(1)[0][0]
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependencyError("safetensors", f"reading {path}", "pip install safetensors") from error
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is not a whole file of safetensors ({one_line(error, 120)}): copy it again"
        ) from error
