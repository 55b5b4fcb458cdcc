"""What the notebook `divergences` proves: by quadrature, by search and by enumeration, at values of no special kind."""

import math

import pytest
import torch
from scipy import integrate, optimize, stats

from gmlib import divergences as dv
from gmlib.vae import kl_gaussians

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
PARTS = ((0.65, -2.2, 0.7), (0.35, 2.6, 0.5))  # weight, mean, standard deviation


def tables(generator, n=500, K=5, zeros=0):
    t = torch.rand(n, 2, K, generator=generator, dtype=F64) ** 3
    t[:, 0, :zeros] = 0
    return (t / t.sum(-1, keepdim=True)).unbind(1)


def mixture(x):
    return sum(w * stats.norm.pdf(x, m, s) for w, m, s in PARTS)


def quad(f):
    return integrate.quad(f, -14, 14, points=(-2.2, 2.6), limit=400, epsabs=1e-12)[0]


def kl_quad(p, q):
    return quad(lambda x: p(x) * math.log(p(x) / q(x)) if p(x) > 0 else 0.0)


@pytest.mark.equation("eq-divergences-gibbs")
def test_kl_is_at_least_the_mass_that_q_has_outside(generator):
    p, q = tables(generator, zeros=2)
    outside = q[:, :2].sum(-1)
    terms = torch.where(p > 0, q - p, 0.0).sum(-1)  # the middle of the chain: sum of p (q/p - 1)
    torch.testing.assert_close(-terms, outside, **close)
    assert (dv.kl(p, q) > outside).all() and (outside > 0).all()
    assert (dv.kl(q, p) == math.inf).all() and dv.kl(p, p).abs().max() == 0


@pytest.mark.equation("eq-divergences-kl-normals")
def test_kl_of_normals_by_quadrature():
    mu, sigma, m, tau = 0.4, 0.7, -0.9, 1.6
    exact = kl_quad(lambda x: stats.norm.pdf(x, mu, sigma), lambda x: stats.norm.pdf(x, m, tau))
    formula = math.log(tau / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * tau**2) - 0.5
    assert formula == pytest.approx(exact, abs=1e-9)
    mean, variance = torch.tensor([[mu], [m]], dtype=F64), torch.tensor([sigma, tau], dtype=F64).square().reshape(2, 1, 1)
    assert kl_gaussians(mean[0], variance[0], mean[1], variance[1]).item() == pytest.approx(exact, abs=1e-9)


@pytest.mark.equation("eq-divergences-forward-moments")
def test_forward_fit_matches_moments():
    """The value by quadrature at a generic Gaussian, and the minimum by a search that knows no moments."""
    mean = sum(w * m for w, m, _ in PARTS)
    variance = sum(w * (s**2 + m**2) for w, m, s in PARTS) - mean**2
    entropy = -quad(lambda x: mixture(x) * math.log(mixture(x)))

    def value(m, tau):
        return kl_quad(mixture, lambda x: stats.norm.pdf(x, m, tau))

    m, tau = 0.7, 1.9
    formula = -entropy + math.log(tau * math.sqrt(2 * math.pi)) + (variance + (mean - m) ** 2) / (2 * tau**2)
    assert value(m, tau) == pytest.approx(formula, abs=1e-8)
    found = optimize.minimize(lambda h: value(h[0], math.exp(h[1])), [0.3, 0.4], method="Nelder-Mead",
                              options={"xatol": 1e-6, "fatol": 1e-12}).x
    assert found[0] == pytest.approx(mean, abs=1e-4) and math.exp(found[1]) == pytest.approx(math.sqrt(variance), abs=1e-4)


@pytest.mark.equation("eq-divergences-reverse-mode")
@pytest.mark.parametrize("m, tau", [(-2.2, 0.7), (2.6, 0.5), (-1.1, 0.9), (0.5, 1.4)])
def test_reverse_kl_is_bounded_by_each_part(m, tau):
    value = kl_quad(lambda x: stats.norm.pdf(x, m, tau), mixture)
    bounds = [math.log(s / tau) + (tau**2 + (m - mean) ** 2) / (2 * s**2) - 0.5 - math.log(w) for w, mean, s in PARTS]
    assert all(value < bound for bound in bounds)
    if (m, tau) == (-2.2, 0.7):
        assert min(bounds) - value < 1e-3 and bounds[0] == pytest.approx(-math.log(0.65), abs=1e-12)


@pytest.mark.equation("eq-divergences-ml")
def test_expected_cost_is_entropy_and_kl():
    """With the entropy of letters counted by hand, and a model of one parameter."""
    letters = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4]
    p = torch.bincount(torch.tensor(letters), minlength=5).double() / len(letters)
    q = 0.63 ** torch.arange(5, dtype=F64)
    q = q / q.sum()
    cost = -sum(math.log(q[k]) for k in letters) / len(letters)
    entropy = -sum(n / 11 * math.log(n / 11) for n in (3, 2, 4, 1, 1))
    assert cost == pytest.approx(entropy + dv.kl(p, q).item(), abs=1e-12)
    assert dv.entropy(p).item() == pytest.approx(entropy, abs=1e-12)


@pytest.mark.equation("eq-divergences-js-information")
def test_js_is_what_a_draw_tells_about_a_coin(generator):
    """From the joint table of coin and draw, as the KL of the joint from the product of its margins."""
    p, q = tables(generator)
    joint = torch.stack([p, q], 1) / 2
    product = joint.sum(1, keepdim=True) * joint.sum(2, keepdim=True)
    torch.testing.assert_close(dv.js(p, q), dv.kl(joint.flatten(1), product.flatten(1)), **close)
    posterior = joint / joint.sum(1, keepdim=True)
    rest = (joint.sum(1) * dv.entropy(posterior.mT)).sum(-1)
    torch.testing.assert_close(dv.js(p, q), math.log(2) - rest, **close)
    torch.testing.assert_close(posterior[:, 0], p / (p + q), **close)


@pytest.mark.equation("eq-divergences-js-bound")
def test_js_reaches_log_2_only_on_disjoint_supports(generator):
    p, q = tables(generator)
    assert (dv.js(p, q) < math.log(2) - 1e-4).all() and (dv.js(p, q) > 0).all()
    apart = torch.tensor([[0.3, 0.7, 0.0, 0.0], [0.0, 0.0, 0.6, 0.4]], dtype=F64)
    assert dv.js(*apart).item() == pytest.approx(math.log(2), abs=1e-12) and dv.js(p, p).max() == 0


def test_js_is_no_metric_and_its_root_is():
    zero, coin, one = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]], dtype=F64)
    assert dv.js(zero, one) > dv.js(zero, coin) + dv.js(coin, one) + 0.2
    assert dv.js(zero, one).sqrt() < dv.js(zero, coin).sqrt() + dv.js(coin, one).sqrt() - 0.05


DIVERGENCES = [dv.KL, dv.REVERSE_KL, dv.JS, dv.GAN, dv.HELLINGER, dv.CHI2, dv.TV]


@pytest.mark.equation("eq-divergences-channel", "eq-divergences-processing")
@pytest.mark.parametrize("d", DIVERGENCES)
def test_no_channel_raises_a_divergence(d, generator):
    """Against the law of what comes out, counted over all pairs; and a permutation changes nothing."""
    p, q = tables(generator)
    K = torch.rand(500, 5, 4, generator=generator, dtype=F64) ** 2
    K = K / K.sum(-1, keepdim=True)
    out = [sum(law[:, x, None] * K[:, x] for x in range(5)) for law in (p, q)]
    middle = (q[:, :, None] * K * d.f(p / q)[:, :, None]).sum((1, 2))
    torch.testing.assert_close(middle, dv.f_divergence(p, q, d), rtol=1e-12, atol=1e-9)
    w = q[:, :, None] * K / out[1][:, None]
    averaged = (out[1] * d.f((w * (p / q)[:, :, None]).sum(1))).sum(-1)
    torch.testing.assert_close(averaged, dv.f_divergence(*out, d), rtol=1e-12, atol=1e-9)
    assert (dv.f_divergence(*out, d) <= middle + 1e-12).all()
    order = torch.randperm(5, generator=generator)
    torch.testing.assert_close(dv.f_divergence(p[:, order], q[:, order], d), middle, rtol=1e-12, atol=1e-9)


def test_a_channel_may_turn_the_order_of_the_two_kls_round():
    p, q = torch.tensor([[0.2, 0.5, 0.3], [0.45, 0.15, 0.4]], dtype=F64)
    K = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.15, 0.6]], dtype=F64)
    assert dv.kl(p, q) > dv.kl(q, p) and dv.kl(p @ K, q @ K) < dv.kl(q @ K, p @ K)


@pytest.mark.equation("eq-divergences-pinsker")
def test_pinsker_holds_and_its_constant_is_the_best(generator):
    p, q = tables(generator)
    assert (dv.total_variation(p, q) <= (dv.kl(p, q) / 2).sqrt()).all()
    near = torch.tensor([[0.5, 0.5], [0.5 + 1e-4, 0.5 - 1e-4]], dtype=F64)
    assert (dv.kl(*near) / dv.total_variation(*near) ** 2).item() == pytest.approx(2, abs=1e-5)
