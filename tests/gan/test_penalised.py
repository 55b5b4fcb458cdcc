"""What the critic of WGAN-GP estimates: the closed forms against searches, and quadrature of SciPy's."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from gmlib import divergences as dv
from gmlib import gan

LAWS = [(0.0, 0.6, 1.7, 0.9), (1.2, 0.8, -0.5, 0.5), (0.3, 0.7, 0.3, 1.1)]

CASES = {
    "d must be positive and finite, got 0.0": lambda: gan.penalised_points(0.0, 1.0),
    "lam must be positive and finite, got -1.0": lambda: gan.penalised_points(2.0, -1.0),
    "sigma must be positive and finite, got 0.0": lambda: gan.penalised_normals(0.0, 0.0, 1.0, 1.0, 1.0),
    "s must be positive and finite, got nan": lambda: gan.penalised_normals(0.0, 1.0, 1.0, math.nan, 1.0),
    "lam must be positive and finite, got inf": lambda: gan.penalised_normals(0.0, 1.0, 1.0, 1.0, math.inf),
    "mu must be finite, got nan": lambda: gan.penalised_normals(math.nan, 1.0, 1.0, 1.0, 1.0),
    "m must be finite, got inf": lambda: gan.penalised_normals(0.0, 1.0, math.inf, 1.0, 1.0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)


def g(s, d, lam):
    return s * d - lam * (abs(s) - 1) ** 2


def density(t, mu, sigma, m, s):
    """Of the interpolates, at one point."""

    def given(u):
        return stats.norm.pdf(t, u * mu + (1 - u) * m, math.hypot(u * sigma, (1 - u) * s))

    return integrate.quad(given, 0, 1, epsabs=1e-13, epsrel=1e-12)[0]


@pytest.mark.equation("eq-gan-penalised-points")
@pytest.mark.parametrize("d, lam", [(2.0, 10.0), (2.0, 0.1), (1.5, 0.7), (3.2, 4.0)])
def test_two_points_by_search(d, lam):
    best = optimize.minimize_scalar(lambda s: -g(s, d, lam), bounds=(0, 60), method="bounded", options={"xatol": 1e-12})
    found = gan.penalised_points(d, lam)
    assert found.difference.item() == pytest.approx(best.x * d, abs=1e-6)
    assert found.objective.item() == pytest.approx(-best.fun, abs=1e-9)
    assert found.difference.dtype == torch.float64
    both = gan.penalised_points(torch.tensor([d, 2 * d]), torch.tensor([lam, lam]))
    assert both.difference.shape == (2,) and both.difference[0].item() == pytest.approx(d + d * d / (2 * lam), rel=1e-6)


@pytest.mark.equation("eq-gan-penalised-slope")
def test_the_objective_between_two_points_is_a_mean_of_parabolas(generator):
    """A broken line as critic: gmlib's norms at the middle of equal parts, on which the slope is constant."""
    d, lam, n = 1.7, 0.6, 8
    slopes = 2 * torch.randn(n, generator=generator, dtype=torch.float64)
    heights = torch.cat([torch.zeros(1, dtype=torch.float64), slopes.cumsum(0) * d / n])

    class Broken(torch.nn.Module):  # the generated point at 0, the data at d
        def forward(self, x):
            k = (x.detach() * n / d).long().clamp(0, n - 1)
            return (heights[k] + slopes[k] * (x - k.double() * d / n)).squeeze(-1)

    middles = ((torch.arange(n, dtype=torch.float64) + 0.5) * d / n)[:, None]
    penalty = (gan.gradient_norms(Broken(), middles) - 1).square().mean()
    difference = Broken()(torch.tensor([[d]], dtype=torch.float64)) - Broken()(torch.zeros(1, 1, dtype=torch.float64))
    objective = difference.item() - lam * penalty.item()
    assert objective == pytest.approx(np.mean([g(s, d, lam) for s in slopes.tolist()]), abs=1e-12)
    assert objective < gan.penalised_points(d, lam).objective


@pytest.mark.equation("eq-gan-trap")
@pytest.mark.parametrize("d, lam", [(2.0, 10.0), (1.1, 0.7), (1.5, 0.7), (5.0, 0.3)])
def test_trap_of_the_wrong_sign(d, lam):
    s = np.linspace(-30, -1e-4, 300_000)
    inner = g(s, d, lam)
    peaks = s[1:-1][(inner[1:-1] > inner[:-2]) & (inner[1:-1] > inner[2:])]
    if d < 2 * lam:
        assert peaks == pytest.approx([-(1 - d / (2 * lam))], abs=2e-4)
        assert g(peaks[0], d, lam) < gan.penalised_points(d, lam).objective
    else:
        assert len(peaks) == 0


@pytest.mark.equation("eq-gan-by-parts")
@pytest.mark.parametrize("law", LAWS[:2])
def test_objective_of_any_critic_on_the_line(law):
    """The left side over pairs and u, the right one by quadrature with r."""
    mu, sigma, m, s = law
    lam, p, q = 0.8, stats.norm(mu, sigma), stats.norm(m, s)

    def f(t):
        return 0.7 * math.sin(1.1 * t) - 0.4 * t

    def slope(t):
        return 0.77 * math.cos(1.1 * t) - 0.4

    t = np.linspace(-9, 11, 4001)
    r = np.array([density(v, *law) for v in t[::10]])
    means = integrate.quad(lambda v: f(v) * (p.pdf(v) - q.pdf(v)), -9, 11, epsabs=1e-12, limit=200)[0]
    mean_by_parts = integrate.quad(lambda v: slope(v) * (q.cdf(v) - p.cdf(v)), -9, 11, epsabs=1e-12, limit=200)[0]
    assert means == pytest.approx(mean_by_parts, abs=1e-9)
    # the penalty under r, and as a mean over pairs of points with equal probability and over u
    level = (np.arange(200) + 0.5) / 200
    x, y = p.ppf(level)[:, None, None], q.ppf(level)[None, :, None]
    u = (np.arange(60) + 0.5) / 60
    at = u * x + (1 - u) * y
    drawn = ((np.abs(0.77 * np.cos(1.1 * at) - 0.4) - 1) ** 2).mean()
    under_r = np.trapezoid(r * (np.abs(0.77 * np.cos(1.1 * t[::10]) - 0.4) - 1) ** 2, t[::10])
    assert under_r == pytest.approx(drawn, abs=2e-3)
    assert means - lam * drawn == pytest.approx(mean_by_parts - lam * under_r, abs=2e-3)


@pytest.mark.equation("eq-gan-penalised")
@pytest.mark.parametrize("law", LAWS)
def test_two_normal_laws_by_quadrature_and_search(law):
    mu, sigma, m, s = law
    lam, p, q = 0.9, stats.norm(mu, sigma), stats.norm(m, s)
    lo, hi = min(mu - 8 * sigma, m - 8 * s), max(mu + 8 * sigma, m + 8 * s)
    r = np.vectorize(lambda v: density(v, *law))
    t, w = np.polynomial.legendre.leggauss(300)
    t, w = lo + (hi - lo) * (t + 1) / 2, w * (hi - lo) / 2
    gap = p.cdf(t) - q.cdf(t)
    excess = (w * gap**2 / r(t)).sum()
    assert excess < (mu - m) ** 2 + sigma**2 + s**2  # at most E|x - x~|^2
    w1 = dv.wasserstein1_normals(*(torch.tensor(v, dtype=torch.float64) for v in law)).item()
    found = gan.penalised_normals(*law, lam)
    assert found.difference.item() == pytest.approx(w1 + excess / (2 * lam), abs=1e-9)
    assert found.objective.item() == pytest.approx(w1 + excess / (4 * lam), abs=1e-9)
    # the slope, by search at some points; the larger of the two maxima
    for v in np.linspace(mu, m, 3) + 0.21:
        h, weight = q.cdf(v) - p.cdf(v), lam * density(v, *law)
        s_ = np.linspace(-20, 20, 400_001)
        best = s_[(s_ * h - weight * (np.abs(s_) - 1) ** 2).argmax()]
        assert best == pytest.approx(np.sign(h) * (1 + abs(h) / (2 * weight)), abs=2e-4)


def test_known_values_and_limits():
    assert gan.penalised_normals(0.0, 0.6, 1.7, 0.9, 10.0).difference.item() == pytest.approx(1.853006, abs=1e-6)
    assert gan.penalised_normals(0.0, 0.6, 1.7, 0.9, 1.0).objective.item() == pytest.approx(2.465028, abs=1e-6)
    narrow = gan.penalised_normals(0.0, 0.01, 2.0, 0.01, 0.7)  # nearly two points
    assert narrow.difference.item() == pytest.approx(gan.penalised_points(2.0, 0.7).difference.item(), rel=0.02)
    mirrored = gan.penalised_normals(1.7, 0.9, 0.0, 0.6, 1.0)
    assert mirrored.difference.item() == pytest.approx(gan.penalised_normals(0.0, 0.6, 1.7, 0.9, 1.0).difference.item(), abs=1e-9)
