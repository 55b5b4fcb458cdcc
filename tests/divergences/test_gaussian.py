"""Distances between Gaussians against eigenvalues of a product, quadrature, and a search over covariances."""

import math

import pytest
import torch
from scipy import integrate, optimize, stats

from gmlib import divergences as dv

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


def f64(*values):
    return torch.tensor(values, dtype=F64)


@pytest.mark.equation("eq-divergences-w2-gaussians")
def test_wasserstein2_by_the_eigenvalues_of_the_product(generator):
    A, B = (torch.randn(5, 3, 3, generator=generator, dtype=F64) for _ in range(2))
    Sigma, S = A @ A.mT + 0.1 * torch.eye(3), B @ B.mT
    mu, m = torch.randn(5, 3, generator=generator, dtype=F64), torch.randn(5, 3, generator=generator, dtype=F64)
    roots = torch.linalg.eigvals(Sigma @ S).real.clamp(min=0).sqrt().sum(-1)
    trace = (Sigma + S).diagonal(dim1=-2, dim2=-1).sum(-1)
    expected = (mu - m).square().sum(-1) + trace - 2 * roots
    torch.testing.assert_close(dv.wasserstein2_gaussians(mu, Sigma, m, S), expected, rtol=0, atol=1e-8)


def test_wasserstein2_on_the_line_by_quantiles():
    """The integral of the squared difference of the quantile functions."""
    found = dv.wasserstein2_gaussians(f64(0.4), f64(1.69).reshape(1, 1), f64(-0.9), f64(0.25).reshape(1, 1)).item()
    expected = integrate.quad(lambda e: (1.3 + 0.8 * e) ** 2 * stats.norm.pdf(e), -12, 12)[0]
    assert found == pytest.approx(expected, abs=1e-9)


def test_wasserstein2_does_not_commute():
    Sigma, S = f64([4, 0.3], [0.3, 0.4]), f64([1.3, 1], [1, 1.2])
    found = dv.wasserstein2_gaussians(f64(0.3, -0.4), Sigma, f64(1.1, 0.6), S).item()
    assert found == pytest.approx(2.841182, abs=1e-6)


@pytest.mark.equation("eq-divergences-w1-normals")
@pytest.mark.parametrize("mu, sigma, m, s", [(0.3, 1.2, -0.5, 0.4), (2.0, 0.7, 2.0, 1.5), (0.1, 0.9, 1.4, 0.9)])
def test_wasserstein1_by_the_area_between_cdfs(mu, sigma, m, s):
    area = integrate.quad(lambda x: abs(stats.norm.cdf(x, mu, sigma) - stats.norm.cdf(x, m, s)), -15, 15, limit=300)[0]
    assert dv.wasserstein1_normals(*map(torch.tensor, (mu, sigma, m, s))).double().item() == pytest.approx(area, abs=1e-6)
    assert dv.wasserstein1_normals(*f64(mu, sigma, m, s)).item() == pytest.approx(area, abs=1e-8)


@pytest.mark.equation("eq-divergences-entropic-normals")
@pytest.mark.parametrize("sigma, s, eta, d", [(1.3, 0.7, 0.7, 0.0), (0.8, 0.8, 1.1, 0.6), (1.7, 0.9, 0.3, -1.2)])
def test_entropic_plan_by_a_search_over_covariances(sigma, s, eta, d):
    def value(c):
        return sigma**2 + s**2 - 2 * c + d**2 - eta / 2 * math.log(1 - (c / (sigma * s)) ** 2)

    best = optimize.minimize_scalar(value, bounds=(0, sigma * s * (1 - 1e-12)), method="bounded", options={"xatol": 1e-12})
    plan = dv.entropic_normals(f64(sigma)[0], f64(s)[0], eta, d)
    assert (plan.transport + eta * plan.kl).item() == pytest.approx(best.fun, abs=1e-9)
    covariance = f64([sigma**2, best.x], [best.x, s**2])
    assert plan.transport.item() == pytest.approx(sigma**2 + s**2 - 2 * best.x + d**2, abs=1e-5)
    expected = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=F64), covariance).entropy().item()
    assert plan.entropy.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.equation("eq-divergences-shrinks", "eq-divergences-blurs", "eq-divergences-conventions")
@pytest.mark.parametrize("sigma, eta", [(1.3, 0.7), (0.8, 1.1), (1.7, 0.3)])
def test_which_law_is_nearest_depends_on_what_is_returned(sigma, eta):
    """Of N(0, s^2): each convention has its own best s, and only the debiased value has it at sigma."""
    value = {
        "kl": lambda plan: plan.transport + eta * plan.kl,
        "entropy": lambda plan: plan.transport - eta * plan.entropy,
        "transport": lambda plan: plan.transport,
    }
    best = {"kl": sigma**2 - eta / 2, "entropy": sigma**2 + eta / 2, "transport": sigma**2 - eta**2 / (16 * sigma**2)}
    for name, cost in value.items():
        found = optimize.minimize_scalar(lambda s, cost=cost: cost(dv.entropic_normals(*f64(sigma, s), eta)).item(),
                                         bounds=(1e-3, 4), method="bounded", options={"xatol": 1e-9})
        assert found.x**2 == pytest.approx(best[name], abs=1e-5), name


one, eye = torch.tensor(1.0), torch.eye(2)
CASES = {
    "Sigma must have shape (..., 2, 2), got (2,)": lambda: dv.wasserstein2_gaussians(one.expand(2), one.expand(2), one.expand(2), eye),
    "S must be symmetric and positive semi-definite": lambda: dv.wasserstein2_gaussians(one.expand(2), eye, one.expand(2), -eye),
    "S must be symmetric and positive": lambda: dv.wasserstein2_gaussians(  # -0.1 is much in one matrix, little beside the other
        one.expand(2, 2), eye.expand(2, 2, 2), one.expand(2, 2), torch.stack([torch.diag(torch.tensor([1.0, -0.1])), 1e4 * eye])
    ),
    "m must have shape (..., 2), got (3,)": lambda: dv.wasserstein2_gaussians(one.expand(2), eye, one.expand(3), eye),
    "s must be positive and finite, got 0.0": lambda: dv.wasserstein1_normals(one, one, one, 0 * one),
    "mu must be a floating-point tensor": lambda: dv.wasserstein1_normals(1.0, one, one, one),
    "eta must be positive and finite, got -0.5": lambda: dv.entropic_normals(one, one, -0.5),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
