"""What the notebook on training's troubles derives: best answers, the lag of D, smoothing, hinge, by search and enumeration."""

import math

import pytest
import torch
from scipy.optimize import linprog, minimize_scalar

from gmlib import divergences as dv
from gmlib import gan
from gmlib.data import grid
from gmlib.metrics import count_modes
from gmlib.nn import mlp

F64 = torch.float64


def laws(generator, K=7):
    p, q = torch.rand(2, K, generator=generator, dtype=F64) + 0.05
    return p / p.sum(), q / q.sum()


@pytest.mark.equation("eq-gan-overlap", "eq-gan-mmd-blur")
def test_overlaps_and_blurred_laws_in_the_plane():
    """By sums over a fine grid; on the line, where the factor is its square root, see tests/gmlib/test_samples.py."""
    points, s = torch.tensor([[-0.6, 0.3], [0.5, -0.2], [1.3, 0.9]], dtype=F64), 0.7
    p, q = torch.tensor([[0.2, 0.5, 0.3], [0.55, 0.1, 0.35]], dtype=F64)
    kernel = torch.tensor([[math.exp(-math.dist(a, b) ** 2 / (2 * s**2)) for b in points.tolist()] for a in points.tolist()], dtype=F64)
    t = torch.linspace(-6, 7, 261, dtype=F64)
    w = torch.cartesian_prod(t, t)
    bumps, area = (-(w[:, None] - points).square().sum(-1) / s**2).exp(), (t[1] - t[0]) ** 2
    torch.testing.assert_close(area * bumps.T @ bumps, math.pi * s**2 / 2 * kernel, rtol=0, atol=1e-9)
    blurred = 2 / (math.pi * s**2) * area * (bumps @ (p - q)).square().sum()
    torch.testing.assert_close(blurred, p @ kernel @ p + q @ kernel @ q - 2 * p @ kernel @ q, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-gan-response")
def test_best_answer_to_a_fixed_discriminator_is_one_point(generator):
    """The generator's law as a linear programme."""
    D = torch.rand(7, generator=generator, dtype=F64)
    found = linprog((-D.log()).numpy(), A_eq=torch.ones(1, 7).numpy(), b_eq=[1.0])
    assert found.fun == pytest.approx(-math.log(D.max()), abs=1e-9)
    assert found.x.max() == pytest.approx(1) and found.x.argmax() == D.argmax().item()


@pytest.mark.equation("eq-gan-blind")
@pytest.mark.parametrize("sigma, captured", [(0.1, 25), (0.09, 0)])  # more and less than a quarter of the fair part
def test_points_evenly_over_the_square_of_a_grid(sigma, captured):
    t = (torch.arange(400, dtype=F64) + 0.5) / 80 - 2.5
    modes = count_modes(torch.cartesian_prod(t, t), grid(5, 1.0, sigma, F64).mu, sigma)
    assert modes.good.item() == pytest.approx(9 * math.pi * sigma**2, abs=2e-3) and modes.captured == captured


@pytest.mark.equation("eq-gan-lag", "eq-gan-lag-pointwise")
def test_lag_of_the_discriminator(generator):
    p, q = laws(generator)
    D = torch.rand(7, generator=generator, dtype=F64)
    best = gan.optimal_discriminator(p, q)
    coins = dv.kl(torch.stack([best, 1 - best], -1), torch.stack([D, 1 - D], -1))
    at_each = (torch.xlogy(p, best) + torch.xlogy(q, 1 - best)) - (torch.xlogy(p, D) + torch.xlogy(q, 1 - D))
    torch.testing.assert_close((p + q) * coins, at_each, rtol=0, atol=1e-12)
    expected = -math.log(4) + 2 * dv.js(p, q) - ((p + q) * coins).sum()
    torch.testing.assert_close(gan.value(D, p, q), expected, rtol=0, atol=1e-12)
    assert gan.value(torch.full_like(D, 0.5), p, q).item() == pytest.approx(-math.log(4), abs=1e-12)


@pytest.mark.equation("eq-gan-odds")
def test_gradients_of_both_losses_differ_by_the_odds():
    torch.manual_seed(0)
    G, D = mlp(2, 5, 3).double(), mlp(3, 5, 1).double()
    for z in torch.randn(5, 2, dtype=F64):
        o = 2.5 * D(G(z)) + 0.7
        weights = list(G.parameters())
        a, b, slope = (torch.autograd.grad(f(o).sum(), weights, retain_graph=True)
                       for f in (gan.saturating_loss, gan.nonsaturating_loss, torch.sum))  # fmt: skip
        u = 1 / (1 + math.exp(-o.item()))
        for x, y, s in zip(a, b, slope, strict=True):
            torch.testing.assert_close(x, u / (1 - u) * y, rtol=0, atol=1e-12)
            torch.testing.assert_close(x, -u * s, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-gan-smoothing", "eq-gan-smooth-optimum")
@pytest.mark.parametrize("alpha", [0.9, 0.75])
def test_smoothing_on_tables(generator, alpha):
    """The loss with as many examples at each point as the law says; its least value by a search in each logit."""
    p, q = torch.tensor([0.1, 0.35, 0.05, 0.2, 0.3], dtype=F64), torch.tensor([0.25, 0.05, 0.4, 0.2, 0.1], dtype=F64)
    counts_p, counts_q = (20 * p).round().long(), (20 * q).round().long()
    o = torch.randn(5, generator=generator, dtype=F64)
    D = o.sigmoid()
    by_hand = -(p @ (alpha * D.log() + (1 - alpha) * (1 - D).log())) - q @ (1 - D).log()
    ours = gan.discriminator_loss(o.repeat_interleave(counts_p), o.repeat_interleave(counts_q), smooth=alpha)
    torch.testing.assert_close(ours, by_hand, rtol=0, atol=1e-12)
    for i in range(5):
        def loss(v, i=i):
            changed = torch.where(torch.arange(5) == i, torch.tensor(v, dtype=F64), o)
            return gan.discriminator_loss(changed.repeat_interleave(counts_p), changed.repeat_interleave(counts_q), smooth=alpha).item()

        found = minimize_scalar(loss, bounds=(-9, 9), method="bounded", options={"xatol": 1e-9}).x
        assert 1 / (1 + math.exp(-found)) == pytest.approx((alpha * p[i] / (p[i] + q[i])).item(), abs=1e-6)


@pytest.mark.equation("eq-gan-smooth-optimum")
def test_two_sided_smoothing_adds_the_generators_mass():
    p, q, alpha, beta = 0.35, 0.6, 0.85, 0.2

    def loss(D):
        return -(p * (alpha * math.log(D) + (1 - alpha) * math.log(1 - D)) + q * (beta * math.log(D) + (1 - beta) * math.log(1 - D)))

    found = minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-10}).x
    assert found == pytest.approx((alpha * p + beta * q) / (p + q), abs=1e-6)


@pytest.mark.equation("eq-gan-smooth-slope")
@pytest.mark.parametrize("alpha, beta", [(0.85, 0.15), (0.9, 0.05), (0.8, 0.0)])
def test_slope_after_smoothing(alpha, beta):
    x = torch.tensor([-0.8, 0.3, 1.4, 3.1], dtype=F64, requires_grad=True)
    normal = torch.distributions.Normal
    p = normal(torch.tensor(0.0, dtype=F64), 0.9).log_prob(x).exp()
    q = normal(torch.tensor(1.7, dtype=F64), 0.6).log_prob(x).exp()
    plain = p / (p + q)
    smoothed = (alpha * p + beta * q) / (p + q)
    a, b = (torch.autograd.grad(D.log().sum(), x, retain_graph=True)[0] for D in (smoothed, plain))
    factor = (alpha - beta) * plain / (beta + (alpha - beta) * plain)
    torch.testing.assert_close(a, (factor * b).detach(), rtol=0, atol=1e-9)
    if beta == 0:
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-gan-hinge", "eq-gan-hinge-optimum")
def test_hinge_loss_and_its_least_value(generator):
    real, fake = torch.randn(3, 6, generator=generator, dtype=F64) * 2, torch.randn(3, 4, generator=generator, dtype=F64) * 2
    by_loops = [sum(max(0, 1 - o) for o in r) / 6 + sum(max(0, 1 + o) for o in f) / 4 for r, f in zip(real.tolist(), fake.tolist(), strict=True)]
    torch.testing.assert_close(gan.hinge_loss(real, fake), torch.tensor(by_loops, dtype=F64), rtol=0, atol=1e-12)
    p, q = laws(generator)
    least = sum(min(a * max(0, 1 - o) + b * max(0, 1 + o) for o in torch.linspace(-3, 3, 601, dtype=F64).tolist())
                for a, b in zip(p.tolist(), q.tolist(), strict=True))  # fmt: skip
    assert least == pytest.approx(2 * (1 - dv.total_variation(p, q).item()), abs=1e-9)
    sign = (p - q).sign()
    assert (p @ (1 - sign).clamp(min=0) + q @ (1 + sign).clamp(min=0)).item() == pytest.approx(least, abs=1e-9)
