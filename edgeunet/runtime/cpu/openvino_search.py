"""The search for the class of each pixel, arranged so that OpenVINO is fast at it; its result is the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def search_in_planes(openvino: Any, model: Any) -> None:
    """Let every search for the class of a pixel run over whole planes of logits.

    OpenVINO keeps the channels of a pixel together, and searches these, one pixel after the other: a quarter of a
    frame's time. Of flattened pixels it makes planes, and searches many pixels at once.

    A last layer that doubles the size is four matrix products, one for each place in a square of 2×2 pixels. Each is
    searched at half the size, and the classes are interleaved, not the logits. In INT8 at 368×480 with 11 classes nano
    then takes 0.92 of the time, small 0.96.
    """
    opset = openvino.opset13
    for search in [node for node in model.get_ops() if node.get_type_name() == "TopK"]:
        logits, attributes = search.input_value(0), search.get_attributes()
        shape = logits.get_partial_shape()  # an imported network may also choose from a number known at its run only
        if shape.is_dynamic or len(shape) != 4 or attributes["axis"] != 1:
            continue

        def searched(values: Any, search: Any = search, attributes: Any = attributes) -> Any:
            named = {"index_element_type": attributes["index_element_type"], "stable": attributes["stable"]}
            return opset.topk(values, search.input_value(1), 1, attributes["mode"], attributes["sort"], **named)

        batch, channels, height, width = logits.get_shape()
        if doubling := _Doubling.of(search):
            places = [searched(logits).output(1) for logits in doubling.places(opset)]
            flat = [batch, len(places), height // 2, width // 2]
            classes = opset.reshape(opset.concat(places, 1), flat, special_zero=False)
            _replace(search.output(1), opset.depth_to_space(classes, "blocks_first", 2))
            continue
        planes = opset.reshape(logits, [batch, channels, height * width], special_zero=False)
        for new, old in zip(searched(planes).outputs(), search.outputs(), strict=True):
            _replace(old, opset.reshape(new, [batch, -1, height, width], special_zero=False))


def _replace(old: Any, new: Any) -> None:
    for reader in old.get_target_inputs():
        reader.replace_source_output(new.output(0))


class _Doubling(NamedTuple):
    """A transposed convolution of 2×2 with stride 2, whose squares do not overlap, and which only a search reads.

    values: [N, in, h, w]. weights: [in, out, 2, 2]. bias: of any shape; None without one.
    """

    values: Any
    weights: Any
    bias: Any

    @classmethod
    def of(cls, search: Any) -> _Doubling | None:
        """What a search for the largest logit reads, if it is such a layer."""
        layer, bias = search.input_value(0).get_node(), None
        read = [layer.output(0)]
        if layer.get_type_name() == "Add":
            bias, layer = layer.input_value(1), layer.input_value(0).get_node()
            read.append(layer.output(0))
        if layer.get_type_name() != "ConvolutionBackpropData" or layer.get_input_size() != 2:
            return None
        values, weights = layer.input_value(0), layer.input_value(1)
        how = layer.get_attributes()
        plain = [*how["strides"], *how["pads_begin"], *how["pads_end"], *how["output_padding"]] == [2] * 2 + [0] * 6
        square = weights.get_node().get_type_name() == "Constant" and [*weights.get_shape()[2:]] == [2, 2]
        alone = not search.output(0).get_target_inputs() and all(len(out.get_target_inputs()) == 1 for out in read)
        channels, classes = weights.get_shape()[:2]
        # A bias for each class; the sum of two tensors is another layer.
        per_class = bias is None or int(np.prod(bias.get_shape())) == classes
        # The values are put into planes too, once for all four: small with 5 classes gains nothing, and in fp32 loses.
        pays = channels <= 2 * classes
        one = search.output(1).get_partial_shape()[1] == 1  # a network may ask for the two best
        return cls(values, weights, bias) if all((plain, square, alone, per_class, pays, one)) else None

    def places(self, opset: Any) -> list[Any]:
        """The logits [N, out, h * w] of the pixels in the same place of each square, row by row."""
        batch, channels, height, width = self.values.get_shape()
        weights = self.weights.get_node().get_data()
        flat = opset.reshape(self.values, [batch, channels, height * width], special_zero=False)
        plain = {"transpose_a": False, "transpose_b": False}
        found = [opset.matmul(weights[..., place // 2, place % 2].T.copy(), flat, **plain) for place in range(4)]
        if self.bias is None:
            return found
        bias = opset.reshape(self.bias, [1, weights.shape[1], 1], special_zero=False)
        return [opset.add(logits, bias) for logits in found]
