"""A .onnx file of another tool → the network that the import works on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from edgeunet.errors import ModelFileError
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.onnx_header import read_onnx_header
from edgeunet.spec import METADATA_KEY
from edgeunet.utils.console import printable
from edgeunet.utils.files import sha256
from edgeunet.utils.formatting import one_line
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.onnx_graph.ending import pruned, shortened
from edgeunet_export.foreign.onnx_graph.float_graph import widened
from edgeunet_export.foreign.onnx_graph.image_input import ImageInput, image_input
from edgeunet_export.foreign.onnx_graph.lowering import inlined, lowered
from edgeunet_export.foreign.onnx_graph.opset import lowered_ir, raised, require_float_operators
from edgeunet_export.foreign.onnx_graph.simplified import fixed, padded, planes_first, simplified
from edgeunet_export.foreign.reading.segmentation_output import Outputs, chosen_output
from edgeunet_export.graph.model_file import unreadable, weight_files
from edgeunet_export.graph.types import opset

MULTIPLES = (8, 16, 32, 64)
"""That sides may have to be of, for a network that halves frames several times."""
Planes = NDArray[np.float32]
Run = Callable[[Planes], Outputs]
"""All outputs of the original, by the names of the graph, for float32 [1, channels, height, width]."""


def read_onnx(path: Path, *, size: tuple[int, int] | None, output: str) -> ForeignNetwork:
    """Read a file with its weights. size: (height, width) for a file of free size. output: its name, or "".

    Raises ModelFileError for a file that is damaged or no segmentation network, UsageError for a size or an output
    that the file does not have.
    """
    model = _loaded(path)
    image = image_input(model, str(path))
    names = [value.name for value in model.graph.output]
    session = OrtModel(lowered_ir(model).SerializeToString(), origin=str(path))

    def run(planes: Planes) -> Outputs:
        return dict(zip(names, session.run(names, {image.name: image.array(planes)}), strict=True))

    return network_of(
        model,
        run,
        image,
        origin=str(path),
        title=printable(path.stem)[:200],
        sha256=sha256(path),
        size=size,
        output=output,
    )


def network_of(
    model: ModelProto,
    run: Run,
    image: ImageInput,
    *,
    origin: str,
    title: str,
    sha256: str,
    size: tuple[int, int] | None,
    output: str,
) -> ForeignNetwork:
    """The network of a graph in memory. run: the original, to compare with. Raises as read_onnx()."""
    size = image.size_for(size, origin)
    taken, noise, found = _first_run(run, image, size)
    basic = simplified(fixed(inlined(raised(widened(lowered_ir(model)), origin)), image, taken), origin)
    graph = planes_first(basic, image, taken)
    name, decision = chosen_output(graph, found, output, taken, channels_last=image.channels_last, origin=origin)
    if not np.array_equal(run(noise)[name], found[name], equal_nan=True):
        raise ModelFileError(
            f"{origin} gives other masks when it sees the same frame again: it has a random part, such as dropout as "
            "in training: export it after network.eval()"
        )
    tensor, ending = shortened(graph, name, decision)
    graph = pruned(graph, tensor, ending.shape)
    _require_finite(graph, noise, origin)
    graph, needs = lowered(graph)
    if taken != size:
        graph = padded(graph, size)
    if reason := unreadable(graph):
        raise ModelFileError(f"{origin} cannot be lowered ({needs}): it has {reason}")
    notes: tuple[str, ...] = (f"stays at opset {opset(graph)}: {needs}",) if needs else ()
    if taken != size:
        notes += (f"cannot take {size[0]}x{size[1]}: frames are padded to {taken[0]}x{taken[1]} inside, masks cut",)

    def run_chosen(planes: Planes) -> NDArray[Any]:
        return run(_padded(planes, taken))[name]

    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return ForeignNetwork(
        origin,
        title,
        sha256,
        image.channels,
        size,
        name,
        run_chosen,
        decision,
        graph,
        ending,
        image.takes_bytes,
        metadata,
        notes,
    )


def _require_finite(graph: ModelProto, noise: Planes, origin: str) -> None:
    """Of the scores that the mask is made from: a class map hides what its ArgMax read."""
    (scores,) = OrtModel(graph.SerializeToString(), origin=origin).run(None, {graph.graph.input[0].name: noise})
    if not np.isfinite(scores).all():
        raise ModelFileError(
            f"{origin} has scores that are not finite (NaN or infinite) for a frame of noise: train it again"
        )


def _first_run(run: Run, image: ImageInput, size: tuple[int, int]) -> tuple[tuple[int, int], Planes, Outputs]:
    """`size`, or the next one that the network takes; a frame of noise of that size; the outputs for it."""
    random, shape = np.random.default_rng(0), (1, image.channels, *size)
    frame = (random.uniform(0, 255, shape) if image.takes_bytes else random.normal(0, 1, shape)).astype(np.float32)
    try:
        return size, frame, run(frame)
    except ModelFileError as refused:
        for multiple in MULTIPLES:
            taken = -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple
            with suppress(ModelFileError):
                padded_frame = _padded(frame, taken)
                return taken, padded_frame, run(padded_frame)
        raise refused


def _padded(planes: Planes, size: tuple[int, int]) -> Planes:
    """Zeros after the last row and column, as the nodes of padded() do it."""
    below, right = (wanted - have for wanted, have in zip(size, planes.shape[2:], strict=True))
    return np.pad(planes, ((0, 0), (0, 0), (0, below), (0, right)))


def _loaded(path: Path) -> ModelProto:
    read_onnx_header(path)  # its errors say what a file of another kind is
    try:
        for name in weight_files(path):
            if not (path.parent / name).is_file():
                raise ModelFileError(f"{path} keeps its weights in {name}, which is missing: put it next to it")
            if (path.parent / name).is_symlink():  # onnx reads no weights through links
                raise ModelFileError(f"{path} keeps its weights in {name}, which is a link: copy the file itself there")
        model = onnx.load(path)
    except ModelFileError:
        raise
    except Exception as error:  # protobuf, the checker of paths and the loader each have exceptions of their own
        raise ModelFileError(f"{path} is not a whole ONNX model ({one_line(error, 120)}): export it again") from error
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        raise ModelFileError(f"{path} is a model of edgeunet already: every command takes it as it is")
    require_float_operators(model, str(path))
    return model
