"""Spectral normalisation against singular values, and what the power method is said to do."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from gmlib import gan
from gmlib.nn import StackedLinear, mlp, stacked_mlp

F64 = torch.float64


def with_values(values, generator):
    """A square matrix of given singular values, turned at random on either side."""
    n = len(values)
    U, V = (torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=F64)).Q for _ in range(2))
    return U @ torch.diag(torch.tensor(values, dtype=F64)) @ V.T


@pytest.mark.equation("eq-gan-spectral")
@pytest.mark.parametrize("gain", [1.0, 2.5])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 6, 2)])
def test_norm_at_the_start_is_the_gain(generator, shape, gain):
    W = torch.randn(shape, generator=generator, dtype=F64)
    found = gan.SpectralNorm(W, gain).eval()(W)
    norms = torch.linalg.matrix_norm(W, ord=2)
    torch.testing.assert_close(found, gain * W / norms[..., None, None], rtol=0, atol=1e-12)


@pytest.mark.equation("eq-gan-spectral")
@pytest.mark.parametrize("values", [(1.7, 1.1, 0.6, 0.2), (2.3, 1.9, 0.4, 0.3)])
def test_the_power_method_from_below_at_its_rate(generator, values):
    gain, W = 2.5, with_values(values, generator)
    norm = gan.SpectralNorm(torch.randn(4, 4, generator=generator, dtype=F64), gain)
    errors = []
    for _ in range(60):
        largest = gain * W[0, 0] / norm(W)[0, 0]
        errors.append(values[0] - largest.item())
    assert all(e > -1e-12 for e in errors) and errors[0] > 1e-3 and abs(errors[-1]) < 1e-12
    ratios = [b / a for a, b in zip(errors, errors[1:], strict=False) if a > 1e-9]
    assert ratios[-1] == pytest.approx((values[1] / values[0]) ** 4, abs=2e-3)
    torch.testing.assert_close(norm.u.norm(), torch.ones((), dtype=F64), rtol=0, atol=1e-12)


def test_one_round_by_numpy(generator):
    W, first = (torch.randn(4, 3, generator=generator, dtype=F64) for _ in range(2))
    norm = gan.SpectralNorm(first, 1.3)
    u = torch.linalg.svd(first).U[:, 0].numpy()
    w = W.numpy()
    v = w.T @ u
    v = v / (v @ v) ** 0.5
    u = w @ v
    u = u / (u @ u) ** 0.5
    torch.testing.assert_close(norm(W), torch.from_numpy(1.3 * w / (u @ w @ v)), rtol=0, atol=1e-12)
    assert abs(torch.from_numpy(u) @ norm.u).item() == pytest.approx(1, abs=1e-12)


def test_nothing_moves_in_evaluation(generator):
    W = torch.randn(4, 3, generator=generator, dtype=F64)
    norm = gan.SpectralNorm(torch.randn(4, 3, generator=generator, dtype=F64)).eval()
    u, v = norm.u.clone(), norm.v.clone()
    torch.testing.assert_close(norm(W), norm(W), rtol=0, atol=0)
    assert torch.equal(norm.u, u) and torch.equal(norm.v, v)
    norm.train()(W)
    assert not torch.equal(norm.u, u)


def test_gradient_is_that_of_the_normalised_weight(generator):
    """Where u and v are the singular vectors: the gradient of the division by the norm itself, by autograd through an SVD."""
    W = torch.randn(4, 3, generator=generator, dtype=F64).requires_grad_()
    A = torch.randn(4, 3, generator=generator, dtype=F64)
    norm = gan.SpectralNorm(W, 1.7)
    (ours,) = torch.autograd.grad((A * norm(W)).sum(), W)
    (theirs,) = torch.autograd.grad((A * 1.7 * W / torch.linalg.svdvals(W)[0]).sum(), W)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-gan-spectral")
def test_as_pytorch_does_it(generator):
    """PyTorch's own, with gain 1 and the same vectors, on the transpose: it takes the other of the two first."""
    ours = gan.spectral_normalise(nn.Linear(6, 5).double())
    theirs = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 6).double())
    a, b = ours.parametrizations.weight, theirs.parametrizations.weight
    with torch.no_grad():
        a.original.copy_(torch.randn(5, 6, generator=generator, dtype=F64))
        b.original.copy_(a.original.T)
        a[0].u.copy_(b[0]._v), a[0].v.copy_(b[0]._u)
    for _ in range(4):
        torch.testing.assert_close(ours.weight, theirs.weight.T, rtol=0, atol=1e-9)


@pytest.mark.parametrize("net", [mlp(3, 8, 8, 1, activation=nn.ReLU), stacked_mlp(4, 3, 8, 8, 1, activation=nn.LeakyReLU)])
def test_every_map_gets_the_gain_and_the_whole_its_product(generator, net):
    gain, before = 1.4, [name for name, _ in net.named_parameters()]
    assert gan.spectral_normalise(net, gain) is net
    maps = [m for m in net.modules() if isinstance(m, (nn.Linear, StackedLinear))]
    assert len(maps) == 3 and len(before) == len(list(net.parameters()))
    for m in maps:
        norms = torch.linalg.matrix_norm(m.weight, ord=2)
        torch.testing.assert_close(norms, torch.full_like(norms, gain), rtol=0, atol=1e-5)
        assert parametrize.is_parametrized(m, "weight") and not parametrize.is_parametrized(m, "bias")
    x = 3 * torch.randn(4, 500, 3, generator=generator)
    slopes = gan.gradient_norms(gan.Discriminator(net.eval()), x)
    assert slopes.max() <= gain**3 + 1e-4 and slopes.max() > 0.05


def test_a_net_that_is_not_training_can_be_copied():
    """Vectors that kept the graph of their decomposition could not."""
    f, x = gan.spectral_normalise(mlp(3, 8, 1).eval(), 1.4), torch.ones(2, 3)
    assert torch.equal(copy.deepcopy(f)(x), f(x))


def test_copies_are_normalised_each_by_itself(generator):
    layer = StackedLinear(3, 4, 5)
    with torch.no_grad():
        layer.weight *= torch.tensor([1.0, 4.0, 0.2])[:, None, None]
    alone = [W / torch.linalg.matrix_norm(W, ord=2) for W in layer.weight.detach()]
    torch.testing.assert_close(gan.spectral_normalise(layer).eval().weight, torch.stack(alone), rtol=0, atol=1e-6)


def test_it_follows_the_weights_in_training(generator):
    torch.manual_seed(0)
    net = gan.spectral_normalise(mlp(3, 16, 1, activation=nn.ReLU), 2.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    x, first = torch.randn(64, 3, generator=generator), net[0].parametrizations.weight.original.detach().clone()
    for _ in range(200):
        optimizer.zero_grad()
        (net(x)[:, 0] - 3 * x[:, 0]).square().mean().backward()
        optimizer.step()
    assert (net[0].parametrizations.weight.original - first).abs().max() > 0.02
    for m in (net[0], net[2]):
        assert torch.linalg.matrix_norm(m.weight, ord=2).item() == pytest.approx(2, rel=0.02)


CASES = {
    "f must hold a linear map, got ReLU": lambda: gan.spectral_normalise(nn.ReLU()),
    "gain must be positive and finite, got 0.0": lambda: gan.spectral_normalise(nn.Linear(2, 2), 0.0),
    "gain must be positive and finite, got -1.0": lambda: gan.SpectralNorm(torch.eye(2), -1.0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
