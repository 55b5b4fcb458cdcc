"""What the notebook `wasserstein` proves, against exact fractions, counting and other ways to the same number."""

import math
from fractions import Fraction
from itertools import permutations

import pytest
import torch
from scipy import integrate, optimize, stats

from gmlib import divergences as dv

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


def weights(n, generator):
    w = torch.rand(n, generator=generator, dtype=F64) + 0.05
    return w / w.sum()


def clouds(generator, n=8, m=11):
    x, y = torch.randn(n, 2, generator=generator, dtype=F64), torch.randn(m, 2, generator=generator, dtype=F64) + 0.7
    return x, y, weights(n, generator), weights(m, generator)


@pytest.mark.equation("eq-divergences-shift")
@pytest.mark.parametrize("d", [0.3, 0.8, 1.7, 2.4])
def test_shifted_uniform_laws(d):
    """JS by quadrature of the densities, W_1 by quadrature of the distribution functions."""
    p, q = stats.uniform(0, 1), stats.uniform(d, 1)

    def integral(f):
        edges = sorted((0.0, 1.0, d, d + 1))
        return sum(integrate.quad(f, a, b)[0] for a, b in zip(edges, edges[1:]))

    def half(p, q):
        return integral(lambda x: p.pdf(x) * math.log(2 * p.pdf(x) / (p.pdf(x) + q.pdf(x))) if p.pdf(x) else 0.0)

    assert (half(p, q) + half(q, p)) / 2 == pytest.approx(min(d, 1) * math.log(2), abs=1e-9)
    assert integral(lambda x: abs(p.pdf(x) - q.pdf(x))) / 2 == pytest.approx(min(d, 1), abs=1e-9)
    assert integral(lambda x: abs(p.cdf(x) - q.cdf(x))) == pytest.approx(d, abs=1e-9)


@pytest.mark.equation("eq-divergences-wasserstein")
@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_wasserstein_is_a_root_and_a_metric(generator, power):
    """By all assignments of five equal atoms; the triangle inequality holds for the root."""
    clouds = torch.randn(3, 5, 2, generator=generator, dtype=F64)
    even = torch.full((5,), 0.2, dtype=F64)

    def W(x, y):
        costs = [sum((x[i] - y[j]).norm().item() ** power for i, j in enumerate(order)) / 5 for order in permutations(range(5))]
        found = dv.exact_transport(dv.cost_matrix(x, y, power), even, even).value.item()
        assert found == pytest.approx(min(costs), abs=1e-9)
        return min(costs) ** (1 / power)

    x, y, z = clouds
    assert W(x, z) < W(x, y) + W(y, z)
    assert W(x, 2.5 * x[[3, 1, 0, 4, 2]] - 1.5 * x[[3, 1, 0, 4, 2]]) == pytest.approx(0, abs=1e-6)


@pytest.mark.equation("eq-divergences-ordered")
def test_ordered_laws_are_as_far_apart_as_their_means(generator):
    x = torch.randn(9, generator=generator, dtype=F64).sort().values
    y = x + torch.rand(9, generator=generator, dtype=F64)
    a = weights(9, generator)
    C = (x[:, None] - y).abs()
    assert dv.exact_transport(C, a, a).value.item() == pytest.approx((a * (y - x)).sum().item(), abs=1e-12)
    y[4] = x[4] - 3  # no longer ordered
    assert dv.wasserstein_1d(x, y, a, a) > (a * (y - x)).sum().abs() + 0.05


@pytest.mark.equation("eq-divergences-w1-normals")
@pytest.mark.parametrize("mu, sigma, m, tau", [(0.4, 1.3, -0.5, 0.6), (2.2, 0.5, 0.1, 1.4)])
def test_slope_of_w1(mu, sigma, m, tau):
    mu, sigma, m, tau = (torch.tensor(v, dtype=F64) for v in (mu, sigma, m, tau))
    mu.requires_grad_()
    slope = torch.autograd.grad(dv.wasserstein1_normals(mu, sigma, m, tau), mu)[0].item()
    ratio = ((mu - m) / (sigma - tau)).abs().item()
    assert slope == pytest.approx(2 * stats.norm.cdf(ratio) - 1, abs=1e-9)


@pytest.mark.equation("eq-divergences-weak")
def test_no_prices_earn_more_than_any_plan_costs(generator):
    x, y, a, b = clouds(generator)
    C = dv.cost_matrix(x, y, 1.3)
    plans = [a[:, None] * b, dv.exact_transport(C, a, b).plan, dv.exact_transport(-C, a, b).plan]
    for _ in range(50):
        u = torch.randn(8, generator=generator, dtype=F64)
        v = (C - u[:, None]).min(0).values - torch.rand(11, generator=generator, dtype=F64)
        earned = a @ u + b @ v
        for plan in plans:
            torch.testing.assert_close((plan * (u[:, None] + v)).sum(), earned, **close)
            assert earned <= (plan * C).sum() + 1e-12


@pytest.mark.equation("eq-divergences-critic", "eq-divergences-kantorovich")
def test_one_function_of_slope_one_is_enough(generator):
    """The value of the programme; and no function of slope at most 1, found by another programme, has more."""
    x, y, a, b = clouds(generator)
    value, _, u, v = dv.exact_transport(dv.cost_matrix(x, y, 1.0), a, b)
    points = torch.cat([x, y])
    T = (dv.cost_matrix(points, y, 1.0) - v).min(-1).values
    assert ((T[:, None] - T) <= dv.cost_matrix(points, points, 1.0) + 1e-12).all()
    assert (T[:8] >= u - 1e-12).all() and (T[8:] <= -v + 1e-12).all()
    signed = torch.cat([a, -b])
    torch.testing.assert_close(signed @ T, value, **close)
    pairs = [(i, j) for i in range(19) for j in range(19) if i != j]
    rows = torch.zeros(len(pairs), 19, dtype=F64)
    for row, (i, j) in zip(rows, pairs, strict=True):
        row[i], row[j] = 1, -1
    bound = [(points[i] - points[j]).norm().item() for i, j in pairs]
    best = optimize.linprog(-signed.numpy(), A_ub=rows.numpy(), b_ub=bound, A_eq=[[1.0] + 18 * [0.0]], b_eq=[0.0], bounds=(None, None))
    assert -best.fun == pytest.approx(value.item(), abs=1e-9)


@pytest.mark.equation("eq-divergences-atoms")
@pytest.mark.parametrize("n", [3, 7, 20])
def test_atoms_come_near_and_stay_different(n):
    """In fractions: |F - G| over each part is two triangles. JS by the classifier that is always right."""
    part = Fraction(1, n)
    area = sum(2 * Fraction(1, 2) * (part / 2) * (part / 2) for _ in range(n))
    assert area == Fraction(1, 4 * n)
    atoms = (torch.arange(n, dtype=F64) + 0.5) / n
    fine = (torch.arange(20 * n, dtype=F64) + 0.5) / (20 * n)  # itself 1 / (80 n) from the uniform law
    assert dv.wasserstein_1d(atoms, fine).item() == pytest.approx(float(area), abs=1 / (80 * n))
    both = torch.cat([torch.full((n,), 1 / n, dtype=F64), torch.zeros(5, dtype=F64)])
    density = torch.cat([torch.zeros(n, dtype=F64), torch.full((5,), 0.2, dtype=F64)])
    assert dv.js(both, density).item() == pytest.approx(math.log(2), abs=1e-12)


@pytest.mark.equation("eq-divergences-escape")
@pytest.mark.parametrize("n", [2, 5, 30])
def test_mass_that_runs_off(n):
    places = torch.tensor([0.0, float(n * n)], dtype=F64)
    q, delta = torch.tensor([1 - 1 / n, 1 / n], dtype=F64), torch.tensor([1.0, 0.0], dtype=F64)
    assert dv.total_variation(q, delta).item() == pytest.approx(1 / n, abs=1e-12)
    C = (places[:, None] - places).abs()
    assert dv.exact_transport(C, q, delta).value.item() == pytest.approx(n, abs=1e-9)


@pytest.mark.equation("eq-divergences-conventions")
def test_the_divergence_of_a_plan_is_a_difference_of_entropies(generator):
    x, y, a, b = clouds(generator)
    C, eta = dv.cost_matrix(x, y), 0.7
    found = dv.sinkhorn(C, a, b, eta, 1e-12)
    plan = a[:, None] * b * ((found.f[:, None] + found.g - C) / eta).exp()
    entropies = dv.entropy(a) + dv.entropy(b) - dv.entropy(plan.flatten())
    torch.testing.assert_close(found.kl, entropies, **close)
    torch.testing.assert_close(found.transport, (plan * C).sum(), **close)


@pytest.mark.equation("eq-divergences-rate")
def test_information_costs_at_least_the_rate(generator):
    """For random channels from a Gaussian on a grid; reached by the Gaussian channel."""
    sigma = 1.3
    x = torch.linspace(-8, 8, 321, dtype=F64)
    p = torch.softmax(-((x / sigma) ** 2) / 2, 0)
    C = (x[:, None] - x) ** 2

    def rate(joint):
        independent = joint.sum(1, keepdim=True) * joint.sum(0)
        return torch.xlogy(joint, joint / independent.clamp(min=1e-300)).sum().item(), (joint * C).sum().item()

    for scale in (0.3, 0.8, 1.7):
        noise = torch.randn(321, generator=generator, dtype=F64).cumsum(0) / 8
        joint = p[:, None] * torch.softmax(-C / scale + noise, 1)
        I, D = rate(joint)
        assert I > 0.5 * math.log(sigma**2 / D) + 1e-4
    D = 0.35  # y = shrink x + noise
    shrink, sd = 1 - D / sigma**2, math.sqrt(D * (1 - D / sigma**2))
    joint = p[:, None] * torch.softmax(-((x - shrink * x[:, None]) ** 2) / (2 * sd**2), 1)
    I, found = rate(joint)
    assert found == pytest.approx(D, abs=1e-6) and I == pytest.approx(0.5 * math.log(sigma**2 / D), abs=1e-6)


@pytest.mark.equation("eq-divergences-shrinks")
@pytest.mark.parametrize("sigma, eta, variance, value", [(1.3, 0.7, 1.34, 0.901093), (0.6, 0.9, 0.0, 0.36)])
def test_nearest_law_by_a_search_over_all_laws(sigma, eta, variance, value):
    """Blahut and Arimoto's alternation on a grid, which knows of no Gaussian; beyond 2 sigma^2 it ends in a point."""
    x = torch.linspace(-6 * sigma, 6 * sigma, 241, dtype=F64)
    p = torch.softmax(-((x / sigma) ** 2) / 2, 0)
    C, log_q = (x[:, None] - x) ** 2, torch.full((241,), -math.log(241), dtype=F64)
    for _ in range(6000 if variance == 0 else 400):
        joint = p[:, None] * torch.softmax(log_q - C / eta, 1)
        log_q = joint.sum(0).log()
    found = (joint * C).sum() + eta * torch.xlogy(joint, joint / (p[:, None] * log_q.exp()).clamp(min=1e-300)).sum()
    assert (log_q.exp() * x**2).sum().item() == pytest.approx(variance, abs=1e-3)
    assert found.item() == pytest.approx(value, abs=3e-4)
    if variance:
        assert value == pytest.approx(eta / 2 + eta / 2 * math.log(2 * sigma**2 / eta), abs=1e-6)
