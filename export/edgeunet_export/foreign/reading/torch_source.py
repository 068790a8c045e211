"""A network in PyTorch, as code, as TorchScript or as a saved folder → the network that the import works on."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from edgeunet.errors import ModelFileError
from edgeunet.network.checkpoint import read_checkpoint, require_unpacked_size
from edgeunet.spec import CHANNELS
from edgeunet.utils import files
from edgeunet.utils.console import stderr
from edgeunet.utils.formatting import one_line
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.onnx_graph.image_input import ImageInput
from edgeunet_export.foreign.reading.network_weights import is_torchscript, load_weights, read_weights
from edgeunet_export.foreign.reading.onnx_source import network_of
from edgeunet_export.foreign.reading.python_network import built_network
from edgeunet_export.foreign.reading.saved_folder import WEIGHTS, saved_network
from edgeunet_export.foreign.reading.segmentation_output import Outputs
from edgeunet_export.foreign.reading.source_kind import source_kind
from edgeunet_export.graph.model_file import OPSET

_IMAGE = "image"
_MULTIPLE = 32  # of a frame's sides, in nearly all networks that want one


def read_torch(theirs: str, *, weights: Path | None, size: tuple[int, int], output: str) -> ForeignNetwork:
    """Read a network and trace it for frames of one size.

    theirs: package.module:name, a folder of save_pretrained(), or a TorchScript file. weights: of the first.
    size: (height, width). output: the name of the segmentation among several, or "".

    Raises UsageError for a name or an output that does not exist, ModelFileError for a network that is damaged, that
    PyTorch cannot write as ONNX, or that is no segmentation network, MismatchError for weights of another network.
    """
    network, file = _network(theirs, weights)
    named = _NamedOutputs(network).float().eval()
    channels = _channels(network)
    image = ImageInput(_IMAGE, channels, size, np.float32)
    size = image.size_for(size, theirs)
    found = named.outputs(torch.zeros(1, channels, *size), theirs)
    model = _exported(named, torch.zeros(1, channels, *size), list(found), theirs)
    if not model.graph.input:
        raise ModelFileError(
            f"PyTorch cannot follow {theirs} from its input to its output, maybe because it uses NumPy between: write "
            "its forward() without that"
        )

    def run(planes: NDArray[np.float32]) -> Outputs:
        return named.outputs(torch.from_numpy(planes), theirs)

    return network_of(
        model,
        run,
        image,
        origin=theirs,
        title=Path(theirs).name,
        sha256=files.sha256(file) if file else _hash(network),
        size=size,
        output=output,
    )


def _network(theirs: str, weights: Path | None) -> tuple[nn.Module, Path | None]:
    """The network with its weights, and the file that holds them, if it is one file."""
    kind, path = source_kind(theirs), Path(theirs)
    if kind == "code":
        stderr().print(f"note: {theirs} is Python code, which this runs: import only code that you trust")
        network = built_network(theirs)
        if weights is not None:
            load_weights(network, read_weights(weights), origin=str(weights), title=theirs)
        return network, weights
    if kind == "folder":
        file = path / WEIGHTS
        return saved_network(path), file if file.is_file() else None
    return _torchscript(path), path


def _torchscript(path: Path) -> nn.Module:
    if not is_torchscript(path):
        if _is_ours(path):
            raise ModelFileError(
                f"{path} is a checkpoint of edgeunet: `edgeunet export onnx {path} -o MODEL.onnx` reads it"
            )
        raise ModelFileError(
            f"{path} holds weights or Python objects, not a network: give the network as code and this file as its "
            f"weights: edgeunet import package.module:function --weights {path} …"
        )
    stderr().print(f"note: {path} is TorchScript, a program that this runs: import it only from whom you trust")
    require_unpacked_size(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch advises another format
        try:
            return cast(nn.Module, cast(Any, torch.jit.load)(path, map_location="cpu"))
        except RuntimeError as error:
            raise ModelFileError(f"{path} is not whole TorchScript ({one_line(error, 120)}): save it again") from error


def _is_ours(path: Path) -> bool:
    try:
        read_checkpoint(path)
    except ModelFileError:
        return False
    return True


class _NamedOutputs(nn.Module):
    """A network whose outputs, a tensor, a list or a dictionary of them, become arrays by name."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(_by_name(self.network(image)).values())

    @torch.no_grad()
    def outputs(self, image: Tensor, origin: str) -> dict[str, NDArray[Any]]:
        try:
            found = _by_name(self.network(image))
        except Exception as error:  # the user's code
            raise _refused(self.network, image, origin, error) from error
        if not found:
            raise ModelFileError(f"{origin} returns no tensor: its forward() must return scores for each pixel")
        return {name: tensor.numpy(force=True) for name, tensor in found.items()}


def _by_name(value: Any) -> dict[str, Tensor]:
    """torchvision returns {"out", "aux"}, transformers an object with `logits`, others a tensor or several."""
    if isinstance(value, Tensor):
        return {"output": value}
    if isinstance(value, Mapping):
        return {str(name): entry for name, entry in value.items() if isinstance(entry, Tensor)}
    listed = enumerate(value) if isinstance(value, (tuple, list)) else ()
    return {f"output{index or ''}": entry for index, entry in listed if isinstance(entry, Tensor)}


def _refused(network: nn.Module, image: Tensor, origin: str, error: Exception) -> ModelFileError:
    """The error for a network that fails on a frame, with the size at which it does not."""
    height, width = image.shape[2:]
    rounded = tuple(-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    remedy = "its forward() gets this frame alone; give --size as its training had it"
    if rounded != (height, width) and _runs(network, torch.zeros(*image.shape[:2], *rounded)):
        remedy = f"it takes --size {rounded[0]}x{rounded[1]}"
    return ModelFileError(f"{origin} fails on a frame of {height}x{width} ({one_line(error, 160)}): {remedy}")


def _runs(network: nn.Module, image: Tensor) -> bool:
    try:
        network(image)
    except Exception:  # noqa: BLE001  # the user's code
        return False
    return True


def _channels(network: nn.Module) -> int:
    """Of the image: what its first convolution for a camera's frames reads."""
    kernels = (tensor.shape[1] for tensor in network.parameters() if tensor.ndim == 4)
    return next((count for count in kernels if count in CHANNELS), 3)


def _exported(named: _NamedOutputs, image: Tensor, names: list[str], origin: str) -> ModelProto:
    """By the exporter that writes our opset itself; by torch's newer one, where that is there, if it cannot."""
    try:
        return _written(named, image, names, dynamo=False, opset_version=OPSET)
    except Exception as error:  # of many types
        refusal = f"PyTorch cannot write {origin} as ONNX ({one_line(error, 160)})"
        if find_spec("onnxscript") is None:
            raise ModelFileError(f"{refusal}: pip install onnxscript, for its newer exporter") from error
        try:
            return _written(named, image, names, dynamo=True, external_data=False)
        except Exception as second:
            raise ModelFileError(f"{refusal}: replace what it names in the network") from second


def _written(named: _NamedOutputs, image: Tensor, names: list[str], **how: Any) -> ModelProto:
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), _silent(), torch.no_grad():
        warnings.simplefilter("ignore")  # the proof on frames says whether the translation is right
        # The exporter cannot follow TorchScript into dictionaries; its operators, one by one, it can.
        plain = make_fx(named, pre_dispatch=True)(image) if isinstance(named.network, torch.jit.ScriptModule) else named
        torch.onnx.export(plain, (image,), buffer, input_names=[_IMAGE], output_names=names, verbose=False, **how)
    return onnx.load_from_string(buffer.getvalue())


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what the exporter prints of a network that it cannot write, thousands of lines, from standard output."""
    sys.stdout.flush()
    ours, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)
        os.close(nowhere)


def _hash(network: nn.Module) -> str:
    """Of the weights of a network that is in no file."""
    digest = sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
