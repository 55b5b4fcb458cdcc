"""Runge-Kutta steps and the trace: against the exponential of a matrix, the Jacobian, and all sign vectors."""

import itertools
import math

import pytest
import torch

from gmlib import ode

F64 = torch.float64
A = torch.tensor([[0.9, -1.3, 0.4], [0.5, -0.6, 1.7], [2.1, 0.3, 1.4]], dtype=F64)


def linear(x, t):
    return x @ A.mT


def bent(x, t):
    return torch.sin(x @ A.mT + 0.7 * t) * x.flip(-1)


@pytest.mark.equation("eq-flows-instantaneous")
def test_linear_field_is_the_exponential(generator):
    x = torch.randn(4, 3, generator=generator, dtype=F64)
    z, log_det = ode.integrate(linear, x, 0.2, 0.9, steps=400, divergence=ode.exact_divergence)
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(0.7 * A).mT, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_det, torch.full((4,), 0.7 * 1.7, dtype=F64), rtol=0, atol=1e-9)
    back, log_back = ode.integrate(linear, z, 0.9, 0.2, steps=400, divergence=ode.exact_divergence)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_back, -log_det, rtol=0, atol=1e-9)
    plain, zero = ode.integrate(linear, x, 0.2, 0.9, steps=400)
    assert torch.equal(plain, z) and (zero == 0).all()


@pytest.mark.equation("eq-flows-trace")
def test_exact_divergence_is_the_trace(generator):
    x, t = torch.randn(4, 3, generator=generator, dtype=F64), torch.tensor(0.3, dtype=F64)
    v, trace = ode.exact_divergence(bent, x, t)
    J = torch.stack([torch.autograd.functional.jacobian(lambda row: bent(row, t), row) for row in x])
    torch.testing.assert_close(v, bent(x, t), rtol=0, atol=1e-12)
    torch.testing.assert_close(trace, J.diagonal(dim1=-2, dim2=-1).sum(-1), rtol=0, atol=1e-9)


@pytest.mark.equation("eq-flows-hutchinson")
def test_hutchinson_over_all_signs_is_the_trace(generator):
    """Mean and variance over the eight sign vectors: the trace, and twice the squared off-diagonal of the symmetric part."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)), dtype=F64)
    x, t = torch.randn(1, 3, generator=generator, dtype=F64), torch.tensor(0.3, dtype=F64)
    estimates = torch.cat([ode.hutchinson(eps.unsqueeze(0))(linear, x, t)[1] for eps in signs])
    torch.testing.assert_close(estimates.mean(), A.trace(), rtol=0, atol=1e-9)
    S = (A + A.mT) / 2
    variance = 2 * (S.square().sum() - S.diagonal().square().sum())
    torch.testing.assert_close(estimates.var(correction=0), variance, rtol=0, atol=1e-9)
    bent_mean = torch.cat([ode.hutchinson(eps.unsqueeze(0))(bent, x, t)[1] for eps in signs]).mean()
    torch.testing.assert_close(bent_mean, ode.exact_divergence(bent, x, t)[1][0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("divergence", [ode.exact_divergence, ode.hutchinson(torch.tensor([[1.3, -0.6]], dtype=F64))])
def test_a_field_that_ignores_x_has_trace_zero(divergence):
    x, t = torch.tensor([[0.3, -1.2]], dtype=F64), torch.tensor(0.7, dtype=F64)
    v, trace = divergence(lambda x, t: t * torch.ones_like(x), x, t)
    assert v.tolist() == [[0.7, 0.7]] and trace.tolist() == [0.0]


@pytest.mark.parametrize("divergence", [ode.exact_divergence, ode.hutchinson(torch.tensor([[1.3, -0.6]], dtype=F64))])
def test_gradients_flow_where_they_are_asked_for(divergence):
    weight = torch.tensor(0.4, dtype=F64, requires_grad=True)
    x = torch.tensor([[0.3, -1.2]], dtype=F64)
    field = lambda x, t: torch.tanh(weight * x + 0.2 * x.flip(-1))  # noqa: E731
    _, log_det = ode.integrate(field, x, 0.0, 1.0, 8, divergence)
    (gradient,) = torch.autograd.grad(log_det.sum(), weight)
    h = 1e-6
    with torch.no_grad():
        values = []
        for step in (h, -h):
            shifted = lambda x, t, w=weight + step: torch.tanh(w * x + 0.2 * x.flip(-1))  # noqa: E731
            values.append(ode.integrate(shifted, x, 0.0, 1.0, 8, divergence)[1].sum())
        assert not values[0].requires_grad
    assert math.isclose(gradient.item(), ((values[0] - values[1]) / (2 * h)).item(), rel_tol=1e-6)


CASES = {
    "steps must be a whole number of at least 1, got 0": lambda: ode.integrate(linear, torch.zeros(1, 3), 0.0, 1.0, 0),
    "eps must have shape (1, 3), got (3,)": lambda: ode.hutchinson(torch.ones(3))(torch.sin, torch.zeros(1, 3), torch.zeros(())),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
