"""Small networks in the contract, each with one operator of foreign networks between quantised convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.spec import ModelSpec, PixelFormat, Provenance
from edgeunet_export.graph.model_file import IR_VERSION, set_spec

SIZE = (32, 48)
WIDTH = 16  # channels before and after the operator
INNER = (SIZE[0] // 2, SIZE[1] // 2)


class Drawing:
    """A graph that grows node by node; weights are seeded."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []
        self._random = np.random.default_rng(7)

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; gives the name of its first output (the next are NAME.1, NAME.2, …)."""
        name = f"{op}.{len(self.nodes)}"
        names = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(op, list(inputs), names, name, **attributes))
        return name

    def store(self, value: ArrayLike, kind: type = np.float32) -> str:
        name = f"stored.{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def whole(self, *values: int) -> str:
        """Whole numbers, such as axes."""
        return self.store(values, np.int64)

    def random(self, *shape: int, spread: float = 1.0) -> NDArray[np.float64]:
        return self._random.normal(0, spread, shape)

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 3, group: int = 1, stride: int = 1) -> str:
        spread = (2 / (inputs // group * kernel**2)) ** 0.5
        weight = self.store(self.random(outputs, inputs // group, kernel, kernel, spread=spread))
        bias = self.store(self.random(outputs, spread=0.1))
        pads = [kernel // 2] * 4
        return self.add("Conv", x, weight, bias, group=group, strides=[stride] * 2, pads=pads)

    def relu6(self, x: str) -> str:
        return self.add("Clip", x, self.store(0.0), self.store(6.0))


Block = Callable[[Drawing, str], str]
"""From a tensor (N, WIDTH, *INNER), by its name, to the next, which has WIDTH channels too."""


def _depthwise(d: Drawing, x: str) -> str:
    return d.relu6(d.conv(d.relu6(d.conv(x, WIDTH, WIDTH, group=WIDTH)), WIDTH, WIDTH, 1))


def _grouped(d: Drawing, x: str) -> str:
    return d.add("Relu", d.conv(x, WIDTH, WIDTH, group=4))


def _inverted_residual(d: Drawing, x: str) -> str:
    wide = d.relu6(d.conv(x, WIDTH, 4 * WIDTH, 1))
    return d.add("Add", x, d.conv(d.relu6(d.conv(wide, 4 * WIDTH, 4 * WIDTH, group=4 * WIDTH)), 4 * WIDTH, WIDTH, 1))


def _upper_limit_only(d: Drawing, x: str) -> str:
    return d.add("Clip", d.conv(x, WIDTH, WIDTH), "", d.store(1.0))


def _clip_of_constants(d: Drawing, x: str) -> str:
    """As Paddle and TensorFlow write it: the limits come from nodes."""
    low, high = (d.add("Constant", value=numpy_helper.from_array(np.array(v, np.float32))) for v in (0, 6))
    return d.add("Clip", d.conv(x, WIDTH, WIDTH), low, high)


def _after_conv(op: str, **attributes: Any) -> Block:
    return lambda d, x: d.add(op, d.conv(x, WIDTH, WIDTH), **attributes)


def _silu(d: Drawing, x: str) -> str:
    made = d.conv(x, WIDTH, WIDTH)
    return d.add("Mul", made, d.add("Sigmoid", made))


def _hard_swish_of_parts(d: Drawing, x: str) -> str:
    """x · relu6(x + 3) / 6."""
    made = d.conv(x, WIDTH, WIDTH)
    gate = d.relu6(d.add("Add", made, d.store(3.0)))
    return d.add("Div", d.add("Mul", made, gate), d.store(6.0))


def _squeeze_excite(d: Drawing, x: str) -> str:
    pooled = d.add("GlobalAveragePool", x)
    gate = d.conv(d.add("Relu", d.conv(pooled, WIDTH, 4, 1)), 4, WIDTH, 1)
    return d.add("Mul", x, d.add("Sigmoid", gate))


def _squeeze_excite_dense(d: Drawing, x: str) -> str:
    """With ReduceMean, fully connected layers and HardSigmoid."""
    pooled = d.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    hidden = d.add("Relu", d.add("Gemm", pooled, d.store(d.random(4, WIDTH)), d.store(d.random(4)), transB=1))
    gate = d.add("Gemm", hidden, d.store(d.random(WIDTH, 4)), d.store(d.random(WIDTH)), transB=1)
    gate = d.add("Unsqueeze", d.add("HardSigmoid", gate, alpha=1 / 6, beta=0.5), d.whole(2, 3))
    return d.add("Mul", x, gate)


def _resize(coordinates: str, *, sizes: bool) -> Block:
    def block(d: Drawing, x: str) -> str:
        small = d.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        how: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": coordinates}
        if sizes:
            return d.add("Resize", small, "", "", d.whole(1, WIDTH, *INNER), **how)
        return d.add("Resize", small, "", d.store([1, 1, 2, 2]), **how)

    return block


def _tokens(d: Drawing, x: str) -> str:
    """(N, C, H, W) → (N, H·W, C), as transformers want it."""
    return d.add("Transpose", d.add("Reshape", x, d.whole(0, WIDTH, -1)), perm=[0, 2, 1])


def _planes(d: Drawing, x: str) -> str:
    return d.add("Reshape", d.add("Transpose", x, perm=[0, 2, 1]), d.whole(0, WIDTH, *INNER))


def _layer_norm(d: Drawing, x: str) -> str:
    scale, shift = d.store(1 + d.random(WIDTH, spread=0.1)), d.store(d.random(WIDTH, spread=0.1))
    return _planes(d, d.add("LayerNormalization", _tokens(d, x), scale, shift, epsilon=1e-6))


def _layer_norm_of_parts(d: Drawing, x: str) -> str:
    t = _tokens(d, x)
    centred = d.add("Sub", t, d.add("ReduceMean", t, axes=[-1]))
    variance = d.add("ReduceMean", d.add("Pow", centred, d.store(2.0)), axes=[-1])
    normal = d.add("Div", centred, d.add("Sqrt", d.add("Add", variance, d.store(1e-12))))
    return _planes(d, d.add("Add", d.add("Mul", normal, d.store(d.random(WIDTH))), d.store(d.random(WIDTH))))


def _gelu_of_parts(d: Drawing, x: str) -> str:
    made = d.conv(x, WIDTH, WIDTH)
    share = d.add("Add", d.add("Erf", d.add("Div", made, d.store(2**0.5))), d.store(1.0))
    return d.add("Mul", d.add("Mul", made, share), d.store(0.5))


def _attention(d: Drawing, x: str) -> str:
    """Four linear layers, two matrix products of activations and a Softmax, with a residual connection."""
    t = _tokens(d, x)

    def linear(source: str) -> str:
        weight = d.store(d.random(WIDTH, WIDTH, spread=WIDTH**-0.5))
        return d.add("Add", d.add("MatMul", source, weight), d.store(d.random(WIDTH, spread=0.1)))

    query, key, value = (linear(t) for _ in range(3))
    scores = d.add("MatMul", query, d.add("Transpose", key, perm=[0, 2, 1]))
    weights = d.add("Softmax", d.add("Mul", scores, d.store(WIDTH**-0.5)), axis=-1)
    return _planes(d, d.add("Add", t, linear(d.add("MatMul", weights, value))))


def _pixel_shuffle(d: Drawing, x: str) -> str:
    return d.add("DepthToSpace", d.conv(x, WIDTH, 4 * WIDTH, stride=2), blocksize=2, mode="CRD")


def _prelu(d: Drawing, x: str) -> str:
    return d.add("PRelu", d.conv(x, WIDTH, WIDTH), d.store(0.3 * abs(d.random(WIDTH, 1, 1))))


def _average_pool(d: Drawing, x: str) -> str:
    return d.add("AveragePool", d.conv(x, WIDTH, WIDTH), kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])


def _pyramid(d: Drawing, x: str) -> str:
    """A global mean, enlarged and joined, as in PSPNet and DeepLab."""
    pooled = d.add("Relu", d.conv(d.add("GlobalAveragePool", x), WIDTH, WIDTH, 1))
    how: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    wide = d.add("Resize", pooled, "", "", d.whole(1, WIDTH, *INNER), **how)
    expanded = d.add("Expand", pooled, d.whole(1, WIDTH, *INNER))
    joined = d.add("Concat", x, wide, expanded, d.conv(x, WIDTH, WIDTH, 1), axis=1)
    return d.add("Relu", d.conv(joined, 4 * WIDTH, WIDTH, 1))


def _instance_norm(d: Drawing, x: str) -> str:
    made = d.conv(x, WIDTH, WIDTH)
    return d.add("InstanceNormalization", made, d.store(np.ones(WIDTH)), d.store(d.random(WIDTH)))


def _group_norm(d: Drawing, x: str) -> str:
    """As PyTorch writes it below opset 21."""
    grouped = d.add("Reshape", d.conv(x, WIDTH, WIDTH), d.whole(0, 4, -1))
    normal = d.add("InstanceNormalization", grouped, d.store(np.ones(4)), d.store(np.zeros(4)))
    back = d.add("Reshape", normal, d.whole(0, WIDTH, *INNER))
    return d.add("Add", d.add("Mul", back, d.store(d.random(WIDTH, 1, 1))), d.store(d.random(WIDTH, 1, 1)))


def _batch_norm(d: Drawing, x: str) -> str:
    made = d.conv(x, WIDTH, WIDTH)
    shares = (1 + 0.1 * d.random(WIDTH), d.random(WIDTH), d.random(WIDTH), 0.5 + abs(d.random(WIDTH)))
    return d.add("Relu", d.add("BatchNormalization", made, *(d.store(share) for share in shares)))


def _grouped_transposed(d: Drawing, x: str) -> str:
    """Bilinear enlargement by weights, as FCN and many others do it."""
    small = d.conv(x, WIDTH, WIDTH, stride=2)
    return d.add("ConvTranspose", small, d.store(d.random(WIDTH, 1, 2, 2)), group=WIDTH, strides=[2, 2])


def _shuffled_channels(d: Drawing, x: str) -> str:
    """Split, Slice, Gather, Reshape, Transpose: ShuffleNet's way, and a few more."""
    first = d.add("Split", d.conv(x, WIDTH, WIDTH), d.whole(8, 8), outputs=2, axis=1)
    rest = d.add("Slice", f"{first}.1", d.whole(0), d.whole(8), d.whole(1))
    order = d.add("Gather", rest, d.whole(*range(7, -1, -1)), axis=1)
    joined = d.add("Concat", d.add("Relu", d.conv(first, 8, 8)), order, axis=1)
    grouped = d.add("Transpose", d.add("Reshape", joined, d.whole(0, 2, 8, *INNER)), perm=[0, 2, 1, 3, 4])
    return d.add("Reshape", grouped, d.whole(0, WIDTH, *INNER))


def _shapes_at_run_time(d: Drawing, x: str) -> str:
    """Shape, Gather, Unsqueeze, Concat: the sizes of a Resize, as PyTorch traces them."""
    small = d.conv(x, WIDTH, WIDTH, stride=2)
    parts = [d.add("Gather", d.add("Shape", small), d.whole(axis)) for axis in (0, 1)]
    parts += [d.add("Gather", d.add("Shape", x), d.whole(axis)) for axis in (2, 3)]
    sizes = d.add("Concat", *parts, axis=0)
    return d.add("Resize", small, "", "", sizes, mode="linear", coordinate_transformation_mode="align_corners")


def _weights_of_nodes(d: Drawing, x: str) -> str:
    """Weights in a Constant, a bias behind an Identity."""
    value = numpy_helper.from_array(d.random(WIDTH, WIDTH, 3, 3, spread=0.1).astype(np.float32))
    bias = d.add("Identity", d.store(d.random(WIDTH)))
    return d.add("Identity", d.add("Relu", d.add("Conv", x, d.add("Constant", value=value), bias, pads=[1] * 4)))


def _unknown(d: Drawing, x: str) -> str:
    """Operators that nobody has a rule for."""
    return d.add("Celu", d.add("Sinh", d.add("Tanh", d.conv(x, WIDTH, WIDTH))))


FAMILIES: Mapping[str, Mapping[str, Block]] = {
    "mobile": {
        "depthwise": _depthwise,
        "grouped": _grouped,
        "inverted-residual": _inverted_residual,
        "clip-max": _upper_limit_only,
        "clip-constants": _clip_of_constants,
        "hard-swish": _after_conv("HardSwish"),
        "hard-swish-parts": _hard_swish_of_parts,
        "squeeze-excite": _squeeze_excite,
        "squeeze-excite-dense": _squeeze_excite_dense,
    },
    "activations": {
        "leaky-relu": _after_conv("LeakyRelu", alpha=0.1),
        "prelu": _prelu,
        "silu": _silu,
        "gelu-parts": _gelu_of_parts,
        "unknown": _unknown,
    },
    "transformer": {"layer-norm": _layer_norm, "layer-norm-parts": _layer_norm_of_parts, "attention": _attention},
    "sizes": {
        "bilinear-corners": _resize("align_corners", sizes=True),
        "bilinear-half-pixel": _resize("half_pixel", sizes=False),
        "average-pool": _average_pool,
        "pyramid": _pyramid,
        "pixel-shuffle": _pixel_shuffle,
        "grouped-transposed": _grouped_transposed,
    },
    "norms": {"instance-norm": _instance_norm, "group-norm": _group_norm, "batch-norm": _batch_norm},
    "structure": {
        "shuffled-channels": _shuffled_channels,
        "shapes": _shapes_at_run_time,
        "weights-of-nodes": _weights_of_nodes,
    },
    "newer": {"mish": _after_conv("Mish"), "gelu": _after_conv("Gelu")},
}
BLOCKS: Mapping[str, Block] = {name: block for family in FAMILIES.values() for name, block in family.items()}
_OPSETS = {"mish": 18, "gelu": 20}
"""Where an operator is newer than 17."""


def operator_model(*names: str, ahead: float = 0) -> ModelProto:
    """The network of these blocks, one after another: two convolutions before, two after, nearest enlargement.

    ahead: added to the logit of the first class; where all are close, rounding alone changes many pixels.
    """
    opset = max(_OPSETS.get(name, 17) for name in names)
    classes = DatasetFolder.open(samples.DATASET).classes
    mean, std = ModelSpec.usual_scale(PixelFormat())
    d = Drawing()
    planes = d.add("Transpose", d.add("Cast", "frame", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    centred = d.add("Sub", planes, d.store(np.reshape(mean, (1, -1, 1, 1))))
    x = d.add("Relu", d.conv(d.add("Div", centred, d.store(np.reshape(std, (1, -1, 1, 1)))), 3, WIDTH, stride=2))
    x = d.add("Relu", d.conv(x, WIDTH, WIDTH))
    for name in names:
        x = BLOCKS[name](d, x)
    x = d.add("Relu", d.conv(x, WIDTH, WIDTH))
    logits = d.conv(x, WIDTH, len(classes), 1)
    if ahead:
        logits = d.add("Add", logits, d.store(np.reshape([ahead, 0, 0, 0, 0], (1, -1, 1, 1))))
    logits = d.add("Resize", logits, "", d.store([1, 1, 2, 2]), mode="nearest")
    whole = d.add("Cast", d.add("ArgMax", logits, axis=1, keepdims=0), to=TensorProto.FLOAT)
    d.nodes.append(helper.make_node("Cast", [whole], ["mask"], "mask", to=TensorProto.UINT8))
    graph = helper.make_graph(
        d.nodes,
        "-".join(names),
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, *SIZE, 3])],
        [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, *SIZE])],
        d.stored,
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION[opset])
    set_spec(model, ModelSpec(classes, SIZE, mean=mean, std=std, provenance=Provenance(precision="fp32")))
    onnx.checker.check_model(model, full_check=True)
    return model
