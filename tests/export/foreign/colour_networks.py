"""Small networks that tell colours apart, trained, and made to be fed in a known way; and frames to show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from edgeunet.imaging.pixels import UInt8
from edgeunet_export.foreign.preprocessing import Preprocessing

SIZE = (32, 48)
CLASSES = ("wall", "dull", "red", "blue", "dark")
_COLORS = {  # blue, green, red; each of another brightness, so that a scale that is a little wrong shows
    "wall": (200, 200, 200),
    "dull": (155, 155, 155),
    "red": (65, 55, 235),
    "blue": (170, 60, 55),
    "dark": (25, 25, 25),
}
Weights = list[tuple[NDArray[Any], NDArray[Any]]]


def drawn(number: int) -> tuple[UInt8, UInt8]:
    """A frame, uint8 [h, w, 3] BGR, with a rectangle of each colour on a wall, noisy, and its mask."""
    rng = np.random.default_rng(number)
    mask = np.zeros(SIZE, np.uint8)
    for index in range(1, len(CLASSES)):
        top, left = rng.integers(0, SIZE[0] - 12), rng.integers(0, SIZE[1] - 16)
        mask[top : top + 12, left : left + 16] = index
    clean = np.array([_COLORS[name] for name in CLASSES])[mask]
    return np.clip(clean + rng.normal(0, 25, clean.shape), 0, 255).astype(np.uint8), mask


def write_colours(path: Path, *, train: int = 6, val: int = 4) -> Path:
    """A dataset folder of such frames."""
    for split, count, first in (("train", train, 0), ("val", val, 100)):
        for kind in ("images", "masks"):
            (path / kind / split).mkdir(parents=True)
        for number in range(count):
            for kind, pixels in zip(("images", "masks"), drawn(first + number), strict=True):
                cv2.imwrite(str(path / kind / split / f"{number:03}.png"), pixels)
    classes = [{"index": i, "name": name, "color": _COLORS[name][::-1]} for i, name in enumerate(CLASSES)]
    (path / "classes.json").write_text(json.dumps({"classes": classes}))
    return path


@cache
def _trained(channels: int) -> Weights:
    """Weights and biases of three 1×1 convolutions for the channels of a frame (BGR, or grey) from 0 to 1."""
    torch.manual_seed(0)
    frames, masks = (np.stack(arrays) for arrays in zip(*map(drawn, range(20)), strict=True))
    pixels = frames.reshape(-1, 3)
    if channels == 1:
        pixels = cv2.cvtColor(pixels[None], cv2.COLOR_BGR2GRAY).reshape(-1, 1)
    x, y = torch.from_numpy(pixels[::5] / 255).float(), torch.from_numpy(masks.reshape(-1)[::5]).long()
    layers = [torch.nn.Linear(a, b) for a, b in ((channels, 16), (16, 16), (16, len(CLASSES)))]
    optimizer = torch.optim.Adam([p for layer in layers for p in layer.parameters()], 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = F.cross_entropy(layers[2](layers[1](layers[0](x).relu()).relu()), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers]


def colour_network(
    path: Path,
    way: Preprocessing,
    *,
    weights: Weights | None = None,
    order: Sequence[int] = range(len(CLASSES)),
    any_size: bool = False,
) -> Path:
    """Write a network, .onnx with the logits of CLASSES, that is right if it is fed in that way.

    Nothing has padding, so the way goes into the first weights exactly: frame / 255 = (input · std + mean) / 255.
    weights: for frames from 0 to 1 in the order of a frame, if they are not the trained ones.
    order: which of CLASSES each of its logits is.
    """
    (first, bias), *others = weights or _trained(way.channels)
    mean, std = np.array(way.mean, np.float32), np.array(way.std, np.float32)
    first = first[:, list(way.indices)]
    *others, (head, head_bias) = others
    layers: Weights = [(first * std / 255, bias + first @ mean / 255), *others]
    layers.append((head[list(order)], head_bias[list(order)]))
    size = ("height", "width") if any_size else SIZE
    nodes, planes = [], "image"
    stored: list[TensorProto] = []
    for number, (weight, bias) in enumerate(layers):
        stored += [numpy_helper.from_array(weight.astype(np.float32)[..., None, None], f"w{number}")]
        stored += [numpy_helper.from_array(bias.astype(np.float32), f"b{number}")]
        name = f"conv{number}" if number < 2 else "logits"
        nodes.append(helper.make_node("Conv", [planes, f"w{number}", f"b{number}"], [name]))
        if number < 2:
            nodes.append(helper.make_node("Relu", [name], [planes := f"relu{number}"]))
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, way.channels, *size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, len(CLASSES), *size])],
        stored,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
