"""The price of topology against a convex programme on cells, and its flow against autograd."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from gmlib import flows

F64 = torch.float64


def mixture(x, a, s):
    return (norm.pdf(x, -a, s) + norm.pdf(x, a, s)) / 2


@pytest.mark.equation("eq-flows-price")
@pytest.mark.parametrize("a, s, L, expected", [(2.0, 0.5, 3.0, 0.246926), (1.7, 0.45, 7.0, 0.0523691), (2.3, 0.6, 25.0, 0.0135386)])
def test_no_other_slopes_cost_less(a, s, L, expected):
    """E[f^2/2 - log f'] is convex in the slopes f', and at the stated law no slope of at least 1/L can move downhill."""
    found = flows.least_kl(a, s, L)
    x = np.linspace(0, a + 5 * s, 40_001)
    middle, h = (x[1:] + x[:-1]) / 2, x[1] - x[0]
    p = 2 * mixture(middle, a, s) * h  # by symmetry one side, f(0) = 0
    above = (norm.sf(middle, -a, s) + norm.sf(middle, a, s)) / 2
    f = np.where(middle < found.delta, middle / L, norm.isf(above / found.C))
    slope = np.where(middle < found.delta, 1 / L, mixture(middle, a, s) / found.C / norm.pdf(f))
    after = np.cumsum((p * f)[::-1])[::-1] - p * f / 2  # what a steeper cell adds to f beyond it
    tail = 2 * (above[-1] * f[-1])
    gradient = h * (after + tail) - p / slope
    free = middle > found.delta
    assert np.abs(gradient[free] / p[free] * slope[free])[: int(0.8 * free.sum())].max() < 0.01
    assert (gradient[~free] > 0).all()
    kl = (p * (f**2 / 2 - np.log(slope))).sum() + 0.5 * math.log(2 * math.pi) + (p * np.log(mixture(middle, a, s))).sum()
    assert abs(found.kl - kl) < 2e-4 and abs(found.kl - expected) < 6e-7


@pytest.mark.parametrize("a, s, L", [(1.9, 0.55, 8.0), (1.9, 0.55, 1.3), (1.7, 0.45, 0.6), (2.1, 0.5, 0.51)])
def test_best_law_has_mass_one_and_is_continuous(a, s, L):
    best = flows.least_kl(a, s, L)
    x = np.linspace(-12, 12, 200_001)
    q = np.where(np.abs(x) < best.delta, norm.pdf(x / L) / L, mixture(x, a, s) / best.C)
    assert abs(np.trapezoid(q, x) - 1) < 1e-6
    p = mixture(x, a, s)
    assert abs(np.trapezoid(p * np.log(p / q), x) - best.kl) < 1e-6
    assert abs(norm.pdf(best.delta / L) / L - mixture(best.delta, a, s) / best.C) < 1e-9


@pytest.mark.equation("eq-flows-bridge")
def test_bridge_is_what_a_straight_generator_leaves(generator):
    """h(z) = L z + b reaches the bound exactly; no other Lipschitz map tried here stays below it."""
    for L, delta, b in ((7.0, 0.8, -1.3), (3.0, 0.5, 0.4)):
        P_minus, P_plus = norm.cdf((-delta - b) / L), norm.sf((delta - b) / L)
        assert abs(flows.bridge_mass(P_minus, delta, L) - (1 - P_minus - P_plus)) < 1e-12
    z = torch.randn(400_000, 3, generator=generator, dtype=F64)
    h = 2.0 * z.norm(dim=-1) - 3.0 + torch.sin(z[:, 0])  # slope at most 3
    P_minus = (h <= -0.5).double().mean().item()
    assert ((h.abs() < 0.5).double().mean() > flows.bridge_mass(P_minus, 0.5, 3.0)).item()
    assert abs(flows.bridge_mass(0.488625, 1.0, 10.0) - 0.0794531) < 1e-7


def test_slope_limited_flow_starts_odd():
    layer, x = flows.SlopeLimited(L=6.0, reach=2.5, steps=17).double(), torch.tensor([[0.0], [0.3], [1.9]], dtype=F64)
    torch.testing.assert_close(layer(-x)[0], -layer(x)[0], rtol=0, atol=1e-7)  # the weights are rounded to float32


@pytest.mark.equation("eq-flows-slope-limited")
def test_slope_limited_flow(generator):
    layer = flows.SlopeLimited(L=6.0).double()
    with torch.no_grad():
        layer.y.copy_(0.4 * torch.rand(96, generator=generator, dtype=F64)), layer.b.fill_(0.3)
    x = (4 * torch.randn(50, 1, generator=generator, dtype=F64)).requires_grad_()
    z, log_det = layer(x)
    (slope,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(log_det, slope.squeeze(-1).log(), rtol=0, atol=1e-9)
    assert (slope >= 1 / 6).all() and slope.max() > 0.3
    back, log_back = layer.inverse(z.detach())
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_back, -log_det, rtol=0, atol=1e-9)


def test_price_of_modes_far_apart_does_not_overflow():
    """The slope at 0 would be e^800; and the price is a pure number, so all three lengths may be measured in other units."""
    far, same = flows.least_kl(2.0, 0.05, 10.0), flows.least_kl(4.6, 0.115, 23.0)
    assert far.kl == pytest.approx(same.kl, abs=1e-10) and same.delta == pytest.approx(2.3 * far.delta, rel=1e-9)
    assert 0 <= flows.least_kl(2.0, 0.5, 1490.478).kl < 1e-12


CASES = {
    "P_minus must be in (0, 1), got 0.0": lambda: flows.bridge_mass(0.0, 1.0, 2.0),
    "delta must be positive and finite, got -1.0": lambda: flows.bridge_mass(0.3, -1.0, 2.0),
    "L must be positive and finite, got 0.0": lambda: flows.bridge_mass(0.3, 1.0, 0.0),
    "steps must be a whole number of at least 1, got 0": lambda: flows.SlopeLimited(3.0, steps=0),
    "a must be positive and finite, got 0.0": lambda: flows.least_kl(0.0, 0.5, 3.0),
    "s must be positive and finite, got -0.5": lambda: flows.least_kl(2.0, -0.5, 3.0),
    "L must be between s and s exp(a^2 / (2 s^2)), got 2000.0": lambda: flows.least_kl(2.0, 0.5, 2000.0),
    "L must be between s and s exp(a^2 / (2 s^2)), got 0.4": lambda: flows.least_kl(2.0, 0.5, 0.4),
    "reach must be positive and finite, got 0": lambda: flows.SlopeLimited(3.0, reach=0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
