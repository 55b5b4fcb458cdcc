"""The smoothed density and the best denoiser by quadrature and autograd; the chains by recursion, by loops and by large samples."""

import math

import pytest
import scipy.stats
import torch

from gmlib.autoencoders import (
    best_denoiser,
    corrupt_and_decode,
    mean_chain_variance,
    posterior_draw,
    residual_score,
    smoothed,
)
from gmlib.targets import GaussianMixture

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-9}


def plane():
    """Two components of different shapes, one of them turned."""
    mu = torch.tensor([[-1.2, 0.4], [1.5, -0.3]], dtype=F64)
    Sigma = torch.tensor([[[0.7, 0.3], [0.3, 0.4]], [[0.5, -0.2], [-0.2, 0.9]]], dtype=F64)
    return GaussianMixture(torch.tensor([0.3, 0.7], dtype=F64), mu, Sigma)


def line():
    mu, Sigma = torch.tensor([[-1.3], [1.6]], dtype=F64), torch.tensor([[[0.16]], [[0.81]]], dtype=F64)
    return GaussianMixture(torch.tensor([0.35, 0.65], dtype=F64), mu, Sigma)


def one(m=0.8, v0=1.7):
    return GaussianMixture(torch.ones(1, dtype=F64), torch.tensor([[m]], dtype=F64), torch.tensor([[[v0]]], dtype=F64))


def posterior_by_quadrature(p, s, y):
    """Points x, and the weights of the law of x given x + noise = y, and the density of y; a sum over a fine grid."""
    t = torch.arange(-9, 9, 0.08, dtype=F64)
    x = torch.cartesian_prod(*[t] * p.mu.shape[1]).reshape(-1, p.mu.shape[1])
    noise = (-(y - x).square().sum(1) / (2 * s)).exp() / (2 * math.pi * s) ** (x.shape[1] / 2)
    w = p.log_prob(x).exp() * noise * 0.08 ** x.shape[1]
    return x, w / w.sum(), w.sum()


POINTS = torch.tensor([[0.7, -1.1], [2.2, 0.4], [-0.3, 0.9]], dtype=F64)


@pytest.mark.equation("eq-autoencoders-smoothed")
@pytest.mark.parametrize("s", [0.45, 1.3])
def test_smoothed_density_by_quadrature(s):
    found = smoothed(plane(), s).log_prob(POINTS)
    expected = torch.stack([posterior_by_quadrature(plane(), s, y)[2].log() for y in POINTS])
    torch.testing.assert_close(found, expected, **EXACT)
    ends = torch.tensor([[-0.7], [0.4]], dtype=F64)
    expected = torch.stack([posterior_by_quadrature(line(), s, y)[2].log() for y in ends])
    torch.testing.assert_close(smoothed(line(), s).log_prob(ends), expected, **EXACT)


@pytest.mark.equation("eq-autoencoders-residual")
@pytest.mark.parametrize("s", [0.45, 1.3])
def test_best_denoiser_is_the_posterior_mean(s):
    expected = []
    for y in POINTS:
        x, w, _ = posterior_by_quadrature(plane(), s, y)
        expected.append(w @ x)
    torch.testing.assert_close(best_denoiser(plane(), s)(POINTS), torch.stack(expected), **EXACT)
    torch.testing.assert_close(best_denoiser(plane(), s)(POINTS[0]), expected[0], **EXACT)


@pytest.mark.equation("eq-autoencoders-residual")
def test_best_denoiser_of_the_exercise():
    mu, sd = torch.tensor([[-1.2, 0.4], [1.5, -0.3]], dtype=F64), torch.tensor([0.5, 0.8], dtype=F64)
    p = GaussianMixture(torch.tensor([0.3, 0.7], dtype=F64), mu, sd.square()[:, None, None] * torch.eye(2, dtype=F64))
    expected = torch.tensor([[1.002448, -0.758355], [1.910495, 0.111088]], dtype=F64)
    torch.testing.assert_close(best_denoiser(p, 0.45)(POINTS[:2]), expected, rtol=0, atol=1e-6)
    weights = p.pi * (-(POINTS[0] - mu).square().sum(1) / (2 * (sd**2 + 0.45))).exp() / (sd**2 + 0.45)
    means = mu + (sd**2 / (sd**2 + 0.45))[:, None] * (POINTS[0] - mu)
    torch.testing.assert_close(best_denoiser(p, 0.45)(POINTS[0]), weights @ means / weights.sum(), **EXACT)


@pytest.mark.equation("eq-autoencoders-residual")
@pytest.mark.parametrize("sigma", [0.6, 1.4])
def test_the_residual_is_the_score_of_the_smoothed_density(sigma):
    """By autograd; the density's own score is another."""
    y = POINTS.clone().requires_grad_()
    score, own = (torch.autograd.grad(q.log_prob(y).sum(), y)[0] for q in (smoothed(plane(), sigma**2), plane()))
    means = []
    for point in POINTS:
        x, w, _ = posterior_by_quadrature(plane(), sigma**2, point)
        means.append(w @ x)
    r = torch.stack(means)
    torch.testing.assert_close(residual_score(POINTS, r, sigma), score, **EXACT)
    assert (score - own).norm() > 0.1 * own.norm()


@pytest.mark.equation("eq-autoencoders-chain")
def test_chain_by_loops():
    x = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    found = corrupt_and_decode(x, lambda y: 0.6 * y + 0.2, 0.7, 3, torch.Generator().manual_seed(9))
    g, expected = torch.Generator().manual_seed(9), x.detach()
    for _ in range(3):
        expected = 0.6 * (expected + 0.7 * torch.randn(4, 3, dtype=F64, generator=g)) + 0.2
    torch.testing.assert_close(found, expected, **EXACT)
    assert not found.requires_grad and x.grad is None


@pytest.mark.equation("eq-autoencoders-posterior")
@pytest.mark.parametrize("s", [0.45, 1.3])
def test_posterior_draws_on_the_plane(s):
    """Mean and second moments of 30,000 draws at each point, within 6 standard errors of the quadrature's."""
    draw, n = posterior_draw(plane(), s, torch.Generator().manual_seed(0)), 30_000
    for y in POINTS:
        drawn = draw(y.expand(n, 2))
        x, w, _ = posterior_by_quadrature(plane(), s, y)
        for moment in (lambda x: x, lambda x: x.square(), lambda x: x[:, :1] * x[:, 1:], lambda x: x[:, :1] ** 3):
            values, exact = moment(drawn), w @ moment(x)
            error = (w @ moment(x).square() - exact**2).sqrt() / n**0.5
            assert ((values.mean(0) - exact).abs() < 6 * error).all()


@pytest.mark.equation("eq-autoencoders-posterior")
def test_posterior_draws_on_the_line_have_the_exact_law():
    """Its distribution function is a mixture's, by SciPy; between the modes both components matter."""
    s, y, n = 0.9, 0.1, 20_000
    pi, mu, v = (0.35, 0.65), (-1.3, 1.6), (0.16, 0.81)
    weight = [p * scipy.stats.norm.pdf(y, m, (u + s) ** 0.5) for p, m, u in zip(pi, mu, v, strict=True)]
    laws = [scipy.stats.norm((u * y + s * m) / (u + s), (u * s / (u + s)) ** 0.5) for m, u in zip(mu, v, strict=True)]
    assert min(weight) > 0.2 * sum(weight)
    drawn = posterior_draw(line(), s, torch.Generator().manual_seed(3))(torch.full((n, 1), y, dtype=F64))
    test = scipy.stats.kstest(drawn[:, 0], lambda x: sum(w * law.cdf(x) for w, law in zip(weight, laws, strict=True)) / sum(weight))
    assert test.pvalue > 1e-6


@pytest.mark.equation("eq-autoencoders-posterior", "eq-autoencoders-chain")
def test_the_chain_that_draws_keeps_the_law():
    """Started in it; the chain of means, from the same start, leaves it. Kolmogorov's distance, at one in a million."""
    g, n = torch.Generator().manual_seed(2), 20_000
    start, sigma = line().sample((n,), g), 0.8
    end = corrupt_and_decode(start, posterior_draw(line(), sigma**2, g), sigma, 8, g)
    other = corrupt_and_decode(start, best_denoiser(line(), sigma**2), sigma, 8, g)

    def cdf(x):
        return 0.35 * scipy.stats.norm.cdf(x, -1.3, 0.4) + 0.65 * scipy.stats.norm.cdf(x, 1.6, 0.9)

    assert scipy.stats.kstest(end[:, 0], cdf).pvalue > 1e-6
    assert scipy.stats.kstest(other[:, 0], cdf).pvalue < 1e-12


@pytest.mark.equation("eq-autoencoders-chain-variance")
@pytest.mark.parametrize(("v0", "s"), [(1.7, 0.6), (0.4, 2.3), (3.1, 0.05)])
def test_chain_variance_by_its_recursion(v0, s):
    """One step takes the variance v to a^2 (v + s) where the mean is taken, and adds the posterior's variance where one draws."""
    mean, drawn, gain = 5.0, 5.0, v0 / (v0 + s)
    for _ in range(2000):
        mean, drawn = gain**2 * (mean + s), gain**2 * (drawn + s) + v0 * s / (v0 + s)
    assert mean_chain_variance(v0, s) == pytest.approx(mean, abs=1e-12)
    assert drawn == pytest.approx(v0, abs=1e-12)
    assert mean_chain_variance(v0, 1e-9) == pytest.approx(v0 / 2, abs=1e-8)  # not v0


@pytest.mark.equation("eq-autoencoders-chain-variance", "eq-autoencoders-chain")
def test_chain_variance_by_simulation():
    """20,000 chains, 25 steps: means and variances within 6 standard errors."""
    n, g, sigma = 20_000, torch.Generator().manual_seed(4), 0.6**0.5
    for decode, v in ((best_denoiser(one(), 0.6), 0.7225), (posterior_draw(one(), 0.6, g), 1.7)):
        x = corrupt_and_decode(torch.full((n, 1), -1.0, dtype=F64), decode, sigma, 25, g)
        assert abs(x.mean() - 0.8) < 6 * (v / n) ** 0.5
        assert abs(x.var() - v) < 6 * v * (2 / n) ** 0.5


def test_types_are_kept():
    p = GaussianMixture(torch.ones(2) / 2, torch.eye(2), torch.eye(2).expand(2, 2, 2))
    x = torch.zeros(3, 2)
    for decode in (best_denoiser(p, 0.3), posterior_draw(p, 0.3)):
        assert corrupt_and_decode(x, decode, 0.5, 2).dtype == torch.float32
    assert not x.any()  # the start stays as it was


two = torch.zeros(4, 2)

CASES = {
    "s must be positive and finite, got 0.0": lambda: smoothed(line(), 0.0),
    "s must be positive and finite, got -1.0": lambda: best_denoiser(line(), -1.0),
    "s must be positive and finite, got inf": lambda: posterior_draw(line(), math.inf),
    "x must have shape (..., 1), got (4, 2)": lambda: best_denoiser(line(), 1.0)(two.double()),
    "sigma must be positive and finite, got 0.0": lambda: residual_score(two, two, 0.0),
    "y must have shape (..., 4, 2), got (2,)": lambda: residual_score(two[0], two, 0.5),
    "x holds 1 NaN": lambda: corrupt_and_decode(torch.tensor([[math.nan]]), torch.square, 0.5, 3),
    "sigma must be positive and finite, got -0.5": lambda: corrupt_and_decode(two, torch.square, -0.5, 3),
    "steps must be a whole number of at least 1, got 0": lambda: corrupt_and_decode(two, torch.square, 0.5, 0),
    "v0 must be positive and finite, got 0.0": lambda: mean_chain_variance(0.0, 0.6),
    "s must be positive and finite, got -0.6": lambda: mean_chain_variance(1.7, -0.6),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
