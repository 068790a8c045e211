"""What was given as the network, opened by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edgeunet.errors import ModelFileError, UsageError
from edgeunet.runtime.onnx_header import read_onnx_header
from edgeunet.utils.dependencies import require_installed
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.reading.onnx_source import read_onnx
from edgeunet_export.foreign.reading.source_kind import source_kind
from edgeunet_export.graph.model_file import weight_files


class SourceFacts(NamedTuple):
    """What is known before the network is read. metadata: texts in the file. any_size: whether --size has to say it."""

    metadata: Mapping[str, str]
    any_size: bool


def source_facts(source: str) -> SourceFacts:
    """Of a file, from its header. Raises ModelFileError if it is missing or damaged."""
    if source_kind(source) != "onnx":
        return SourceFacts({}, any_size=True)
    if not Path(source).exists():
        raise ModelFileError(
            f"{source}: no such network: give a .onnx file, a file of torch.jit.save, a folder of save_pretrained, or "
            "package.module:function"
        )
    if source.endswith(".py"):
        raise ModelFileError(f"{source} is Python code: give the function that builds the network, module:function")
    header = read_onnx_header(Path(source))
    free = any(None in tensor.shape[1:] for tensor in header.inputs if tensor.shape and len(tensor.shape) == 4)
    return SourceFacts({key: text.decode(errors="replace") for key, text in header.metadata.items()}, free)


def source_files(source: str) -> list[Path]:
    """The files of a network that has been read: its own, and those with the weights of a .onnx file."""
    path = Path(source)
    weights = weight_files(path) if path.is_file() and source_kind(source) == "onnx" else ()
    return [path, *(path.parent / name for name in weights)]


def read_network(
    source: str, *, size: tuple[int, int] | None, output: str, weights: Path | None = None
) -> ForeignNetwork:
    """The network of a file, a folder or a function. weights: of a function. output: its name, or "".

    size: (height, width), where the source leaves it free.
    Raises ModelFileError for what is no segmentation network, UsageError for a size or an output that it does not have,
    and what read_torch() raises.
    """
    kind = source_kind(source)
    if weights and kind != "code":
        raise UsageError(f"{source} has its weights with it: leave --weights out")
    if kind != "onnx":
        if size is None:
            raise UsageError(f"{source} takes frames of many sizes: give the one to use, --size HEIGHTxWIDTH")
        require_installed("torch")
        from edgeunet_export.foreign.reading.torch_source import read_torch

        return read_torch(source, weights=weights, size=size, output=output)
    return read_onnx(Path(source), size=size, output=output)
