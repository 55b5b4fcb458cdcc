"""Functional derivatives against their definition, and laws of greatest entropy against closed forms and a root finder."""

import math

import pytest
import torch
from scipy import integrate, optimize, stats

from gmlib import divergences as dv

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


def grid(low, high, n):
    """Midpoints of n cells, and their width."""
    width = (high - low) / n
    return low + width * (torch.arange(n, dtype=F64) + 0.5), width


@pytest.mark.equation("eq-divergences-derivative", "eq-divergences-derivative-entropy")
def test_derivative_is_the_slope_along_every_change(generator):
    """d/de F[p + e h] at e = 0 equals the integral of h times the derivative."""
    x, width = grid(-2.0, 3.0, 60)
    p, h = (1.3 + x.sin()).exp(), torch.randn(60, generator=generator, dtype=F64)

    def F(p):
        return width * (p.square() * x.cos() + p * p.log()).sum()

    delta = dv.functional_derivative(F, p, width)
    torch.testing.assert_close(delta, 2 * p * x.cos() + p.log() + 1, **close)
    torch.testing.assert_close(dv.functional_derivative(lambda p: -width * (p * p.log()).sum(), p, width), -p.log() - 1, **close)
    torch.testing.assert_close(dv.functional_derivative(lambda p: width * (p * x.cos()).sum(), p, width), x.cos(), **close)
    slope = (F(p + 1e-5 * h) - F(p - 1e-5 * h)) / 2e-5
    assert (width * h * delta).sum().item() == pytest.approx(slope.item(), abs=1e-6)


def test_cells_of_different_width():
    width = torch.tensor([0.3, 0.05, 0.7], dtype=F64)
    p = torch.tensor([0.4, 1.7, 2.2], dtype=F64)
    torch.testing.assert_close(dv.functional_derivative(lambda p: (width * p**3).sum(), p, width), 3 * p**2, **close)


@pytest.mark.equation("eq-divergences-multipliers", "eq-divergences-stationary")
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


@pytest.mark.equation("eq-divergences-exponential")
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


@pytest.mark.equation("eq-divergences-functional")
def test_functionals_by_scipys_integrals():
    """Entropy and a mean of a Gamma law, on a grid and by adaptive quadrature."""
    law = stats.gamma(2.3, scale=0.7)
    x, width = grid(0.0, 40.0, 400_000)
    p = torch.tensor(law.pdf(x))
    mean = integrate.quad(lambda x: law.pdf(x) * math.log1p(x), 0, 40)[0]
    assert (-width * torch.xlogy(p, p).sum()).item() == pytest.approx(law.entropy(), abs=1e-7)
    assert (width * (p * x.log1p()).sum()).item() == pytest.approx(mean, abs=1e-7)


@pytest.mark.equation("eq-divergences-lagrangian")
def test_no_change_raises_the_lagrangian(generator):
    """At the Gaussian the slope is zero along every change, also along those that break the constraints."""
    mu, sigma = 0.7, 1.3
    x = torch.linspace(mu - 12, mu + 12, 241, dtype=F64)
    width, p = x[1] - x[0], torch.tensor(stats.norm.pdf(x, mu, sigma))
    l1, l2, l3 = 1 - math.log(sigma * math.sqrt(2 * math.pi)), 0.0, -1 / (2 * sigma**2)

    def Lambda(p):
        H, mass, mean = -width * torch.xlogy(p, p).sum(), width * p.sum(), width * (x * p).sum()
        return H + l1 * (mass - 1) + l2 * (mean - mu) + l3 * (width * ((x - mu) ** 2 * p).sum() - sigma**2)

    h = p * torch.randn(8, 241, generator=generator, dtype=F64)
    for change in h:
        slope = (Lambda(p + 1e-4 * change) - Lambda(p - 1e-4 * change)) / 2e-4
        assert abs(slope) < 1e-7 and Lambda(p + 0.3 * change.clamp(min=-p)) < Lambda(p)


@pytest.mark.equation("eq-divergences-concave")
def test_entropy_lies_above_its_chord(generator):
    p, q = torch.rand(2, 300, 6, generator=generator, dtype=F64).softmax(-1)
    for s in (0.13, 0.5, 0.71):
        chord = (1 - s) * dv.entropy(p) + s * dv.entropy(q)
        assert (dv.entropy((1 - s) * p + s * q) > chord).all()


@pytest.mark.equation("eq-divergences-one-line")
@pytest.mark.parametrize("law", [stats.logistic(0.4, 0.8), stats.laplace(-0.7, 1.1), stats.gumbel_r(0.3, 0.9)])
def test_what_entropy_lacks_is_a_divergence(law):
    normal = stats.norm(law.mean(), law.std())
    kl = integrate.quad(lambda x: law.pdf(x) * (law.logpdf(x) - normal.logpdf(x)), -40, 60, limit=400, points=(-0.7, 0.3))[0]
    assert normal.entropy() - law.entropy() == pytest.approx(kl, abs=1e-7) and kl > 0.01


@pytest.mark.equation("eq-divergences-exponential")
@pytest.mark.parametrize("law", [stats.gamma(2.3, scale=1 / (2.3 * 0.8)), stats.uniform(0, 2.5), stats.halfnorm(0, 1.25 * math.sqrt(math.pi / 2))])
def test_the_exponential_is_above_others_of_its_mean(law):
    """By the same line: the lack is the divergence from r exp(-r x)."""
    r = 0.8
    assert law.mean() == pytest.approx(1 / r, abs=1e-12)
    kl = integrate.quad(lambda x: law.pdf(x) * (law.logpdf(x) - math.log(r) + r * x), 0, law.ppf(1 - 1e-15), limit=300)[0]
    assert 1 - math.log(r) - law.entropy() == pytest.approx(kl, abs=1e-7) and kl > 0.01
    assert stats.expon(scale=1 / r).entropy() == pytest.approx(1 - math.log(r), abs=1e-12)


@pytest.mark.equation("eq-divergences-no-maximum")
def test_entropy_has_no_bound_without_the_variance():
    """On ever longer intervals the greatest entropy with a given mean goes on growing, as log of the length."""
    gaps = []
    for L in (10.0, 100.0, 1000.0):
        x, width = grid(-L, L, 2000)
        found = dv.max_entropy(x[None], torch.tensor([0.7], dtype=F64), width)
        assert found.entropy > stats.norm(0.7, L / 8).entropy()
        gaps.append(math.log(2 * L) - found.entropy.item())
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-4


@pytest.mark.equation("eq-divergences-skewness")
@pytest.mark.parametrize("k", [0.5, 0.8])
def test_a_third_moment_is_had_at_the_edge(k):
    """The gap times L approaches k/2, half as far each time that L doubles."""
    off = []
    for L in (32, 64, 128):
        x = torch.linspace(-L, L, 200 * L + 1, dtype=F64)
        width = torch.full_like(x, 0.01)
        width[[0, -1]] /= 2
        found = dv.max_entropy(torch.stack([x, x**2, x**3]), torch.tensor([0.0, 1.0, k], dtype=F64), width, 2000)
        off.append(k / 2 - L * (stats.norm.entropy() - found.entropy.item()))
    assert 0 < off[2] < 0.55 * off[1] < 0.55**2 * off[0] < 0.02


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
