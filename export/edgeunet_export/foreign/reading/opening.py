"""What was given as the network, opened by its kind."""

from __future__ import annotations

from pathlib import Path

from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.reading.onnx_source import read_onnx


def read_network(source: str, *, size: tuple[int, int] | None, output: str) -> ForeignNetwork:
    """The network of a file. size: (height, width), where the source leaves it free. output: its name, or "".

    Raises ModelFileError for what is no segmentation network, UsageError for a size or an output that it does not have.
    """
    return read_onnx(Path(source), size=size, output=output)
