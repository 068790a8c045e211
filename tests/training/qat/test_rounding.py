import pytest
import torch

from edgeunet.training.qat.rounding import passed_through, rounded, weight_steps


def test_values_are_rounded_half_to_even_and_clipped() -> None:
    x = torch.tensor([-9.0, -0.26, -0.25, 0.0, 0.25, 0.75, 0.8, 9.0])
    step = torch.tensor(0.5)
    assert rounded(x, step, -3, 4).tolist() == [-1.5, -0.5, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0]


def test_what_is_clipped_has_no_gradient_and_the_step_that_of_the_paper() -> None:
    x = torch.tensor([-9.0, -0.3, 0.3, 0.9, 9.0], requires_grad=True)
    step = torch.tensor(0.5, requires_grad=True)
    result = rounded(x, step, -3, 4)
    result.backward(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert step.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 4, 0]
    by_hand = 1 * -3 + 2 * (-1 + 0.6) + 3 * (1 - 0.6) + 4 * (2 - 1.8) + 5 * 4
    assert float(step.grad) == pytest.approx(by_hand / (5 * 4) ** 0.5)


def test_weights_have_a_step_for_each_output_channel_and_let_gradients_pass() -> None:
    weight = torch.tensor([[127.0, 63.4], [-1.27, 0.004], [0.0, 0.0]]).reshape(3, 2, 1, 1).requires_grad_()
    result = passed_through(weight, weight_steps(weight))
    torch.testing.assert_close(result.reshape(3, 2), torch.tensor([[127.0, 63.0], [-1.27, 0.0], [0.0, 0.0]]))
    result.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert (weight.grad == 1).all()
