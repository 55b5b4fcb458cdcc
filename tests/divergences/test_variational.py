"""Functional derivatives against their definition, and laws of greatest entropy against closed forms and a root finder."""

import math

import pytest
import torch
from scipy import integrate, optimize

from gmlib import divergences as dv

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


def grid(low, high, n):
    """Midpoints of n cells, and their width."""
    width = (high - low) / n
    return low + width * (torch.arange(n, dtype=F64) + 0.5), width


def test_derivative_is_the_slope_along_every_change(generator):
    """d/de F[p + e h] at e = 0 equals the integral of h times the derivative."""
    x, width = grid(-2.0, 3.0, 60)
    p, h = (1.3 + x.sin()).exp(), torch.randn(60, generator=generator, dtype=F64)

    def F(p):
        return width * (p.square() * x.cos() + p * p.log()).sum()

    delta = dv.functional_derivative(F, p, width)
    torch.testing.assert_close(delta, 2 * p * x.cos() + p.log() + 1, **close)
    slope = (F(p + 1e-5 * h) - F(p - 1e-5 * h)) / 2e-5
    assert (width * h * delta).sum().item() == pytest.approx(slope.item(), abs=1e-6)


def test_cells_of_different_width():
    width = torch.tensor([0.3, 0.05, 0.7], dtype=F64)
    p = torch.tensor([0.4, 1.7, 2.2], dtype=F64)
    torch.testing.assert_close(dv.functional_derivative(lambda p: (width * p**3).sum(), p, width), 3 * p**2, **close)


@pytest.mark.parametrize("mu, sigma", [(0.7, 1.3), (-1.9, 0.6)])
def test_mean_and_variance_give_the_gaussian_and_its_multipliers(mu, sigma):
    x = torch.linspace(mu - 10 * sigma, mu + 10 * sigma, 201, dtype=F64)
    found = dv.max_entropy(torch.stack([x, (x - mu) ** 2]), torch.tensor([mu, sigma**2], dtype=F64), x[1] - x[0])
    expected = torch.tensor([1 - math.log(sigma * math.sqrt(2 * math.pi)), 0.0, -1 / (2 * sigma**2)], dtype=F64)
    torch.testing.assert_close(found.multipliers, expected, **close)
    torch.testing.assert_close(found.p.log(), torch.distributions.Normal(*torch.tensor([mu, sigma], dtype=F64)).log_prob(x), rtol=0, atol=1e-8)
    assert found.entropy.item() == pytest.approx(math.log(sigma * math.sqrt(2 * math.pi * math.e)), abs=1e-9)


def test_a_mean_alone_gives_the_exponential_of_an_interval():
    """Against the rate that a root finder gives for the continuous law on [0, 3] with mean 0.8."""
    def mean(rate):
        Z = integrate.quad(lambda x: math.exp(-rate * x), 0, 3)[0]
        return integrate.quad(lambda x: x * math.exp(-rate * x), 0, 3)[0] / Z

    rate = optimize.brentq(lambda r: mean(r) - 0.8, 0.1, 5)
    x, width = grid(0.0, 3.0, 3000)
    found = dv.max_entropy(x[None], torch.tensor([0.8], dtype=F64), width)
    assert found.multipliers[1].item() == pytest.approx(-rate, abs=1e-5)


def test_no_moment_gives_the_uniform_law():
    _, width = grid(-1.0, 1.7, 90)
    found = dv.max_entropy(torch.empty(0, 90, dtype=F64), torch.empty(0, dtype=F64), width)
    torch.testing.assert_close(found.p, torch.full((90,), 1 / 2.7, dtype=F64), **close)
    assert found.entropy.item() == pytest.approx(math.log(2.7), abs=1e-9)


def test_the_moments_are_met_by_statistics_of_very_different_size():
    x, width = grid(-6.0, 6.0, 400)
    s, m = torch.stack([1e3 * x, x**2, x**4]), torch.tensor([200.0, 1.4, 4.4], dtype=F64)
    found = dv.max_entropy(s, m, width)
    torch.testing.assert_close(width * (s @ found.p), m, rtol=1e-8, atol=0)
    assert (width * found.p.sum()).item() == pytest.approx(1, abs=1e-9)


x3 = torch.tensor([[0.0, 1.0, 2.0]])
CASES = {
    "width must be positive and finite, got 0.0": lambda: dv.functional_derivative(torch.sum, torch.ones(2), 0.0),
    "F must give one number, got shape (2,)": lambda: dv.functional_derivative(torch.square, torch.ones(2), 0.1),
    "p holds 1 NaN": lambda: dv.functional_derivative(torch.sum, torch.tensor([torch.nan]), 0.1),
    "no density on this grid was found with the moments [2.5]": lambda: dv.max_entropy(x3, torch.tensor([2.5]), 1.0),
    "moments must have shape (..., 1), got (2,)": lambda: dv.max_entropy(x3, torch.ones(2), 1.0),
    "statistics must be a tensor of shape (k, n), got": lambda: dv.max_entropy([1.0], torch.ones(1), 1.0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
