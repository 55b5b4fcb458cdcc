"""Penalties on the code: PyTorch's Bernoulli laws, SciPy, Jacobians by autograd, by loops and by finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from gmlib.autoencoders import jacobian_penalty, kl_sparsity, sigmoid_contraction
from gmlib.nn import mlp

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}


def by_scipy(a, rho):
    mean = np.asarray(a).mean(0)
    return (rel_entr(rho, mean) + rel_entr(1 - rho, 1 - mean)).sum()


@pytest.mark.equation("eq-autoencoders-kl-sparsity")
@pytest.mark.parametrize("rho", [0.1, 0.37, 0.85])
def test_kl_sparsity(rho):
    a = torch.rand(7, 4, dtype=F64, generator=torch.Generator().manual_seed(0))
    assert kl_sparsity(a, rho).item() == pytest.approx(by_scipy(a, rho), abs=1e-12)
    laws = [torch.distributions.Bernoulli(p) for p in (torch.tensor(rho, dtype=F64), a.mean(0))]
    torch.testing.assert_close(kl_sparsity(a, rho), torch.distributions.kl_divergence(*laws).sum(), **EXACT)


@pytest.mark.equation("eq-autoencoders-kl-sparsity")
def test_kl_sparsity_is_of_the_mean_activation():
    """Of the batch's mean, not of each activation: 0 and 0.2 with 0.1 asked for cost nothing."""
    assert kl_sparsity(torch.tensor([[0.0], [0.2]], dtype=F64), 0.1).item() == pytest.approx(0, abs=1e-15)
    a = torch.tensor([[0, 0.2, 0.9], [0.2, 0.35, 0.05], [0.1, 0.6, 0.4]], dtype=F64)
    terms = [0.1 * math.log(0.1 / m) + 0.9 * math.log(0.9 / (1 - m)) for m in (0.1, 1.15 / 3, 1.35 / 3)]
    assert kl_sparsity(a, 0.1).item() == pytest.approx(math.fsum(terms), abs=1e-12)
    assert kl_sparsity(a, 0.1).item() == pytest.approx(0.498707, abs=5e-7)
    mixed = torch.stack([a[[2, 0, 1], 0], a[:, 1], a[[1, 2, 0], 2]], 1)  # other examples, the same means
    torch.testing.assert_close(kl_sparsity(mixed, 0.1), kl_sparsity(a, 0.1), **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_kl_sparsity_is_finite_at_the_ends(dtype):
    """And far from 0; as if the mean stood one relative step of the type from the end."""
    rho, eps = 0.3, torch.finfo(dtype).eps
    for value in (0.0, 1.0):
        a = torch.full((4, 2), value, dtype=dtype, requires_grad=True)
        penalty = kl_sparsity(a, rho)
        penalty.backward()
        near, far = (rho, 1 - rho) if value == 0 else (1 - rho, rho)
        expected = 2 * (near * math.log(near / eps) + far * math.log(far / (1 - eps)))
        assert penalty.item() == pytest.approx(expected, rel=1e-5)
        assert a.grad.isfinite().all()
    assert kl_sparsity(torch.tensor([[0.0, 0.3], [0.0, 0.3]], dtype=dtype), rho) == pytest.approx(
        rho * math.log(rho / eps) + 0.7 * math.log(0.7), rel=1e-5
    )


def jacobians(f, x):
    return torch.stack([torch.autograd.functional.jacobian(lambda v: f(v[None])[0], row) for row in x])


def layer():
    """W, b and x of different sizes, none of them special."""
    g = torch.Generator().manual_seed(4)
    return tuple(scale * torch.randn(size, dtype=F64, generator=g) for scale, size in ((0.8, (3, 4)), (0.4, (3,)), (1, (5, 4))))


@pytest.mark.equation("eq-autoencoders-contraction")
def test_sigmoid_contraction_is_that_of_autograd():
    W, b, x = layer()
    J = jacobians(lambda x: (x @ W.T + b).sigmoid(), x)
    torch.testing.assert_close(sigmoid_contraction(W, b, x), J.square().sum((1, 2)), **EXACT)
    torch.testing.assert_close(sigmoid_contraction(W, b, x[0]), J[0].square().sum(), **EXACT)
    found = sigmoid_contraction(W, b, x[:4].reshape(2, 2, 4))
    torch.testing.assert_close(found, J[:4].square().sum((1, 2)).reshape(2, 2), **EXACT)


@pytest.mark.equation("eq-autoencoders-contraction")
def test_sigmoid_contraction_by_loops():
    """The numbers of the exercise, from NumPy's generator, which does not change."""
    r = np.random.default_rng(2)
    W, b = 0.8 * r.normal(size=(3, 4)), 0.4 * r.normal(size=3)
    r.normal(size=(4, 3))
    x = r.normal(size=(2, 4))
    expected = []
    for row in x:
        h = [1 / (1 + math.exp(-sum(w * v for w, v in zip(W[j], row, strict=True)) - b[j])) for j in range(3)]
        expected.append(sum((h[j] * (1 - h[j]) * W[j, d]) ** 2 for j in range(3) for d in range(4)))
    np.testing.assert_allclose(expected, [0.233807, 0.338512], atol=5e-7)
    found = sigmoid_contraction(torch.tensor(W), torch.tensor(b), torch.tensor(x))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return mlp(4, 6, 3).to(F64)


@pytest.mark.equation("eq-autoencoders-contractive")
def test_jacobian_penalty_by_finite_differences():
    f, (_, _, x), h = network(), layer(), 1e-5
    with torch.no_grad():
        columns = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in torch.eye(4, dtype=F64)]
    torch.testing.assert_close(jacobian_penalty(f, x), sum(c.square().sum(1) for c in columns), rtol=1e-8, atol=0)
    torch.testing.assert_close(jacobian_penalty(f, x), jacobians(f, x).square().sum((1, 2)), **EXACT)
    with torch.no_grad():  # it turns gradients on where it needs them
        torch.testing.assert_close(jacobian_penalty(f, x), jacobians(f, x).square().sum((1, 2)), **EXACT)


def test_jacobian_penalty_can_be_differentiated():
    """By the weights as the closed form, by x as finite differences."""
    W, b, x = layer()
    grads = []
    for penalty in (lambda W: jacobian_penalty(lambda x: (x @ W.T + b).sigmoid(), x), lambda W: sigmoid_contraction(W, b, x)):
        w = W.clone().requires_grad_()
        grads.append(torch.autograd.grad(penalty(w).sum(), w)[0])
    torch.testing.assert_close(*grads, **EXACT)

    f, x = network(), x.requires_grad_()
    (found,), h = torch.autograd.grad(jacobian_penalty(f, x).sum(), x), 1e-5
    e = torch.zeros_like(x)
    e[2, 1] = h
    ends = [jacobian_penalty(f, (x + step).detach())[2].item() for step in (e, -e)]
    assert found[2, 1].item() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


def test_jacobian_penalty_leaves_the_input_alone():
    f, (_, _, x) = network(), layer()
    jacobian_penalty(f, x).sum().backward()
    assert not x.requires_grad and x.grad is None and all(p.grad is not None for p in list(f.parameters())[::2])


half, two = torch.full((4, 2), 0.5), torch.ones(2)

CASES = {
    "a must have shape (N, H), got (4,)": lambda: kl_sparsity(half[:, 0], 0.1),
    "a must be in [0, 1], got 0.5 to 1.5": lambda: kl_sparsity(torch.tensor([[0.5], [1.5]]), 0.1),
    "a must be in [0, 1], got -0.5 to 1.0": lambda: kl_sparsity(torch.tensor([[-0.5], [1.0]]), 0.1),
    "a holds 1 NaN": lambda: kl_sparsity(torch.tensor([[math.nan, 0.5]]), 0.1),
    "rho must be in (0, 1), got 0.0": lambda: kl_sparsity(half, 0.0),
    "rho must be in (0, 1), got 1": lambda: kl_sparsity(half, 1),
    "x must have shape (..., 3), got (4, 2)": lambda: sigmoid_contraction(torch.ones(2, 3), two, half),
    "b must have shape (..., 2), got (3,)": lambda: sigmoid_contraction(torch.ones(2, 2), torch.ones(3), half),
    "x must have shape (N, D), got (2,)": lambda: jacobian_penalty(torch.square, two),
    "x must be a floating-point tensor": lambda: jacobian_penalty(torch.square, torch.ones(2, 2, dtype=torch.long)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
