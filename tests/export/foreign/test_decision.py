from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet_export.foreign.decision import Decision
from edgeunet_export.graph.fragment import Fragment

SIZE = (6, 8)
SCORES = Decision("scores", 1, 3, SIZE, SIZE)
LOGIT = Decision("logit", 1, 1, SIZE, SIZE)
INDICES = Decision("classes", None, 1, SIZE, SIZE)


@pytest.mark.parametrize(
    ("decision", "order"),
    [
        (SCORES, (2, 0, 1)),
        (replace(SCORES, channel_axis=3, size=(3, 4)), (1, 2, 0)),
        (LOGIT, (1, 0)),
        (INDICES, (2, 0, 1)),
        (replace(INDICES, size=(3, 4)), (2, 0, 1)),
    ],
)
def test_nodes_and_numpy_put_the_classes_into_the_same_order(decision: Decision, order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    output = rng.normal(0, 1, decision.shape).astype(np.float32)
    if decision.kind == "classes":
        output = rng.integers(0, 3, decision.shape).astype(np.float32)
    plain, ordered = decision.mask(output, SIZE), replace(decision, order=order).mask(output, SIZE)
    np.testing.assert_array_equal(ordered, np.array(order)[plain])
    graph = Fragment()
    replace(decision, order=order).add_to(graph, "output", SIZE)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "mask",
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, decision.shape)],
            [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, *SIZE])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (mask,) = OrtModel(model.SerializeToString(), origin="it").run(["mask"], {"output": output})
    np.testing.assert_array_equal(mask[0], ordered)


def test_a_class_that_the_order_does_not_have_stays_as_it_is() -> None:
    output = np.full(INDICES.shape, 7, np.float32)
    assert (replace(INDICES, order=(2, 0, 1)).mask(output, SIZE) == 7).all()
