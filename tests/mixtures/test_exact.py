"""EM's map and its rate against adaptive quadrature, autograd, and the information that the labels take away."""

import math

import pytest
import scipy.integrate
import scipy.stats
import torch

from gmlib.mixtures import em_map, em_rate
from tests.mixtures.conftest import F64

GENERIC = [(0.7, 1.3, 0.35), (1.1, 0.8, 0.62), (-0.9, 0.7, 0.2), (1.7, 1.0, 0.5)]


def mean(f, mu, s, w):
    def integrand(x):
        return f(x) * (w * scipy.stats.norm.pdf(x, mu, s) + (1 - w) * scipy.stats.norm.pdf(x, -mu, s))

    reach = abs(mu) + 12 * s
    return scipy.integrate.quad(integrand, -reach, reach, epsabs=1e-13, epsrel=1e-12, limit=400)[0]


@pytest.mark.equation("eq-mixtures-em-map")
@pytest.mark.parametrize(("mu", "s", "w"), GENERIC)
def test_map_by_responsibilities(mu, s, w):
    """The M-step for mu is E[r x - (1 - r) x], with the responsibility of the component at m as a quotient of densities."""
    for m in (0.4, -1.5, mu):
        def moved(x, m=m):
            a, b = w * scipy.stats.norm.pdf(x, m, s), (1 - w) * scipy.stats.norm.pdf(x, -m, s)
            return x * (a - b) / (a + b)

        assert em_map(m, mu, s, w).item() == pytest.approx(mean(moved, mu, s, w), abs=1e-9)
    assert em_map(mu, mu, s, w).item() == pytest.approx(mu, abs=1e-9)


@pytest.mark.equation("eq-mixtures-rate")
@pytest.mark.parametrize(("mu", "s", "w"), GENERIC)
def test_rate_is_the_slope_of_the_map(mu, s, w):
    m = torch.tensor(mu, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(em_map(m, mu, s, w), m)
    assert em_rate(mu, s, w).item() == pytest.approx(slope.item(), abs=1e-9)
    steps = [mu + 1e-3]
    for _ in range(2):
        steps.append(em_map(steps[-1], mu, s, w).item())
    assert (steps[2] - mu) / (steps[1] - mu) == pytest.approx(slope.item(), abs=0.005)


@pytest.mark.equation("eq-mixtures-rate")
@pytest.mark.parametrize(("mu", "s", "w"), GENERIC)
def test_rate_is_the_share_of_the_missing_information(mu, s, w):
    """With the labels an example holds 1 / s^2 on mu; without them the mean squared score, by autograd of the density."""

    def squared_score(x):
        m = torch.tensor(mu, dtype=F64, requires_grad=True)
        density = w * torch.exp(-0.5 * ((x - m) / s) ** 2) + (1 - w) * torch.exp(-0.5 * ((x + m) / s) ** 2)
        return torch.autograd.grad(density.log(), m)[0].item() ** 2

    assert em_rate(mu, s, w).item() == pytest.approx(1 - s**2 * mean(squared_score, mu, s, w), abs=1e-9)


@pytest.mark.equation("eq-mixtures-rate")
def test_rates_in_numbers():
    known = {(0.5,): 0.656736, (1.0,): 0.266088, (2.0,): 0.021655, (2.6,): 0.003247, (0.7, 1.3, 0.35): 0.585931, (1.1, 0.8, 0.62): 0.112699}
    for args, rate in known.items():
        assert em_rate(*args).item() == pytest.approx(rate, abs=1e-6)
    assert em_rate(0.0).item() == pytest.approx(1, abs=1e-9)  # both components at one place: the labels hold everything
    m, t = 1.0, 1000
    for _ in range(t):
        m = em_map(m, 0.0).item()
    assert m * math.sqrt(2 * t) == pytest.approx(1.00059, abs=1e-5)  # and EM is slower than any power of a number below 1


CASES = {
    "w must be in (0, 1), got 1.0": lambda: em_map(0.5, 0.7, 1.0, 1.0),
    "w must be in (0, 1), got 0": lambda: em_rate(0.7, 1.0, 0),
    "s must be positive and finite, got 0.0": lambda: em_map(0.5, 0.7, 0.0),
    "s must be positive and finite, got -1.0": lambda: em_rate(0.7, -1.0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
