"""Masked maps: zeros stand where the mask has them, and an output sees only what comes before it in the order."""

import pytest
import torch

from gmlib import flows
from gmlib.nn import MaskedLinear, MaskedMLP

F64 = torch.float64


def test_masked_map_is_the_map_with_zeros():
    mask = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    layer = MaskedLinear(mask)
    x = torch.tensor([[0.3, -1.2, 2.1]])
    torch.testing.assert_close(layer(x), x @ (mask * layer.weight).mT + layer.bias)
    layer(x).sum().backward()
    assert torch.equal(layer.weight.grad == 0, mask == 0)


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
def test_outputs_see_what_comes_before(order):
    """Exact zeros of the Jacobian; and with enough units each earlier dimension is seen."""
    torch.manual_seed(0)
    order = None if order is None else torch.tensor(order)
    net = MaskedMLP(4, 40, 40, per=3, order=order, activation=torch.nn.Tanh).to(F64)
    place = torch.arange(4) if order is None else order
    J = torch.autograd.functional.jacobian(net, torch.randn(4, dtype=F64))
    seen = place[:, None] > place
    assert J.shape == (4, 3, 4)
    assert torch.equal((J != 0).any(1), seen) and torch.equal((J != 0).all(1), seen)


CASES = {
    "mask must be a matrix of zeros and ones, got shape (3,)": lambda: MaskedLinear(torch.ones(3)),
    "mask must be a matrix of zeros and ones, got shape (1, 2)": lambda: MaskedLinear(torch.tensor([[0.5, 1.0]])),
    "D must be a whole number of at least 1, got 0": lambda: MaskedMLP(0, 4),
    "per must be a whole number of at least 1, got 0": lambda: MaskedMLP(3, 4, per=0),
    "each hidden size must be a whole number of at least 1, got -4": lambda: MaskedMLP(3, -4),
    "order must be a permutation of 0 to 2, got [0, 0, 2]": lambda: MaskedMLP(3, 4, order=torch.tensor([0, 0, 2])),
    "D must be a whole number of at least 1, got 2.5": lambda: flows.ActNorm(2.5),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
