"""Several copies of a network as one: each layer and each gradient equals that of a copy alone; and a grid of Gaussians."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from gmlib.data import grid
from gmlib.nn import StackedLinear, mlp, stacked_mlp

F64 = torch.float64


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def alone(stacked, copy):
    """One copy as a plain network with the same weights."""
    maps = [m for m in stacked if isinstance(m, StackedLinear)]
    sizes = [maps[0].weight.shape[1], *(m.weight.shape[2] for m in maps)]
    net = mlp(*sizes, activation=nn.ReLU).double()
    with torch.no_grad():
        for ours, theirs in zip(maps, [m for m in net if isinstance(m, nn.Linear)], strict=True):
            theirs.weight.copy_(ours.weight[copy].T)
            theirs.bias.copy_(ours.bias[copy, 0])
    return net


def test_each_copy_equals_itself_alone(generator):
    net = stacked_mlp(4, 3, 7, 5, 2, activation=nn.ReLU).double()
    x = torch.randn(4, 9, 3, generator=generator, dtype=F64)
    found = net(x)
    assert found.shape == (4, 9, 2)
    for c in range(4):
        torch.testing.assert_close(found[c], alone(net, c)(x[c]), rtol=0, atol=1e-12)


def test_gradients_of_the_sum_are_those_of_each(generator):
    net = stacked_mlp(3, 2, 6, 1, activation=nn.ReLU).double()
    x = torch.randn(3, 8, 2, generator=generator, dtype=F64)
    net(x).square().mean((1, 2)).sum().backward()
    for c in range(3):
        single = alone(net, c)
        single(x[c]).square().mean().backward()
        for ours, theirs in zip(net[::2], single[::2], strict=True):
            torch.testing.assert_close(ours.weight.grad[c], theirs.weight.grad.T, rtol=0, atol=1e-12)
            torch.testing.assert_close(ours.bias.grad[c, 0], theirs.bias.grad, rtol=0, atol=1e-12)


def test_no_copy_sees_another(generator):
    net = stacked_mlp(3, 2, 6, 1)
    x = torch.randn(3, 5, 2, generator=generator)
    changed = x.clone()
    changed[1] += 1
    same = (net(x) == net(changed)).flatten(1).all(1)
    assert same.tolist() == [True, False, True]


@pytest.mark.parametrize("inputs", [4, 100])
def test_first_weights_are_spread_as_those_of_a_linear_map(inputs):
    torch.manual_seed(0)
    ours, theirs = StackedLinear(200, inputs, 30), nn.Linear(inputs, 6000)
    for a, b in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        assert a.numel() == b.numel() and a.abs().max() <= inputs**-0.5
        n = a.numel()
        assert abs(a.std() / b.std() - 1) < 6 * math.sqrt(0.4 / n)  # relative spread of either: sqrt(0.2 / n)
        assert abs(a.mean()) < 5.5 * inputs**-0.5 / math.sqrt(3 * n)
    assert not torch.equal(ours.weight[0], ours.weight[1])


def test_layers_and_parts():
    net = stacked_mlp(2, 3, 4, 5, 1, activation=partial(nn.LeakyReLU, 0.2))
    assert [type(m).__name__ for m in net] == ["StackedLinear", "LeakyReLU"] * 2 + ["StackedLinear"]
    assert net[1].negative_slope == 0.2 and net[1] is not net[3]
    assert str(stacked_mlp(2, 3, 4)[0]) == "StackedLinear(copies=2, inputs=3, outputs=4)"
    assert isinstance(stacked_mlp(2, 3, 4, 1)[1], nn.Tanh)


def test_grid_of_gaussians(generator):
    target = grid(3, spacing=1.4, sigma=0.2, dtype=F64)
    places = {(round(1.4 * i, 9), round(1.4 * j, 9)) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert {(round(a, 9), round(b, 9)) for a, b in target.mu.tolist()} == places and len(target.mu) == 9
    torch.testing.assert_close(target.pi, torch.full((9,), 1 / 9, dtype=F64), rtol=0, atol=1e-12)
    x = torch.tensor([0.5, -1.1], dtype=F64)
    density = sum(math.exp(-((0.5 - a) ** 2 + (-1.1 - b) ** 2) / (2 * 0.2**2)) / (2 * math.pi * 0.2**2) / 9 for a, b in places)
    assert target.log_prob(x).exp().item() == pytest.approx(density, rel=1e-6)
    assert grid(4, spacing=0.5).mu.amax().item() == pytest.approx(0.75) and len(grid().mu) == 25


def test_grid_has_the_spread_of_its_parts(generator):
    """The variance of a coordinate is that of the places, spacing^2 (side^2 - 1) / 12, and sigma^2."""
    x = grid(4, spacing=1.5, sigma=0.3, dtype=F64).sample((200_000,), generator)
    assert x.var().item() == pytest.approx(1.5**2 * 15 / 12 + 0.3**2, rel=0.01)


CASES = {
    "copies must be a whole number of at least 1, got 0": lambda: StackedLinear(0, 2, 3),
    "inputs must be a whole number of at least 1, got -2": lambda: StackedLinear(1, -2, 3),
    "outputs must be a whole number of at least 1, got 1.5": lambda: StackedLinear(1, 2, 1.5),
    "stacked_mlp needs an input and an output size, got (3,)": lambda: stacked_mlp(2, 3),
    "inputs must be a whole number of at least 1, got 0": lambda: stacked_mlp(2, 0, 1),
    "side must be a whole number of at least 1, got 0": lambda: grid(0),
    "spacing must be positive and finite, got 0.0": lambda: grid(2, spacing=0.0),
    "sigma must be positive and finite, got -0.1": lambda: grid(2, sigma=-0.1),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
