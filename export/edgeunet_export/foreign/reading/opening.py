"""What was given as the network, opened by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edgeunet.runtime.onnx_header import read_onnx_header
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.reading.onnx_source import read_onnx


class SourceFacts(NamedTuple):
    """What is known before the network is read. metadata: texts in the file. any_size: whether --size has to say it."""

    metadata: Mapping[str, str]
    any_size: bool


def source_facts(source: str) -> SourceFacts:
    """Of a file, from its header. Raises ModelFileError if it is missing or damaged."""
    header = read_onnx_header(Path(source))
    free = any(None in tensor.shape[1:] for tensor in header.inputs if tensor.shape and len(tensor.shape) == 4)
    return SourceFacts({key: text.decode(errors="replace") for key, text in header.metadata.items()}, free)


def read_network(source: str, *, size: tuple[int, int] | None, output: str) -> ForeignNetwork:
    """The network of a file. size: (height, width), where the source leaves it free. output: its name, or "".

    Raises ModelFileError for what is no segmentation network, UsageError for a size or an output that it does not have.
    """
    return read_onnx(Path(source), size=size, output=output)
