"""The best discriminator and the value against enumeration, root finding, SciPy's JS and autograd; bad input."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats
from scipy.spatial.distance import jensenshannon

from gmlib import divergences as dv
from gmlib import gan

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
LOG4 = math.log(4)
P_DATA = torch.tensor([0.1, 0.35, 0.05, 0.2, 0.3], dtype=F64)
P_THETA = torch.tensor([0.3, -0.7, 0.9, -0.2, 0.4], dtype=F64).softmax(0)


@pytest.fixture
def laws(generator):
    return [torch.rand(50, 6, generator=generator, dtype=F64).pow(2).add(1e-3).softmax(-1) for _ in range(2)]


def js(p, q):
    return torch.tensor(jensenshannon(p.numpy(), q.numpy(), axis=-1) ** 2)


@pytest.mark.equation("eq-gan-value")
def test_value_is_a_mean_over_every_outcome_of_the_coin():
    """-V/2 is the log loss of D as a guess of which law a point came from."""
    D = torch.tensor([0.31, 0.87, 0.21, 0.55, 0.64], dtype=F64)
    total = 0.0
    for k in range(5):
        total += 0.5 * P_DATA[k].item() * math.log(D[k]) + 0.5 * P_THETA[k].item() * math.log(1 - D[k])
    assert gan.value(D, P_DATA, P_THETA).item() == pytest.approx(2 * total, abs=1e-12)
    assert gan.value(1 - D, P_THETA, P_DATA).item() == pytest.approx(2 * total, abs=1e-12)


def test_value_where_the_discriminator_is_certain():
    p, q = torch.tensor([0.4, 0.6, 0.0], dtype=F64), torch.tensor([0.0, 0.3, 0.7], dtype=F64)
    right = torch.tensor([1.0, 0.5, 0.0], dtype=F64)
    assert gan.value(right, p, q).item() == pytest.approx(0.9 * math.log(0.5), abs=1e-12)
    assert gan.value(torch.tensor([1.0, 1.0, 0.0], dtype=F64), p, q) == -math.inf


@pytest.mark.equation("eq-gan-pointwise", "eq-gan-optimal")
def test_best_discriminator_maximises_at_each_point(laws):
    """Against a search by golden section, and the sign of both derivatives."""
    p, q = (law[0] for law in laws)
    best = gan.optimal_discriminator(p, q)
    for a, b, found in zip(p.tolist(), q.tolist(), best.tolist()):
        done = optimize.minimize_scalar(lambda y: -a * math.log(y) - b * math.log(1 - y), bounds=(1e-6, 1 - 1e-6),
                                        method="bounded", options={"xatol": 1e-10})
        assert found == pytest.approx(done.x, abs=1e-6)
        root = optimize.brentq(lambda y: a / y - b / (1 - y), 1e-6, 1 - 1e-6, xtol=1e-14)
        assert found == pytest.approx(root, abs=1e-9)
    y = best.clone().requires_grad_()
    (first,) = torch.autograd.grad((p * y.log() + q * (1 - y).log()).sum(), y, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), y)
    torch.testing.assert_close(first.detach(), torch.zeros(6, dtype=F64), **close)
    assert (second < 0).all()
    torch.testing.assert_close(second, -p / best**2 - q / (1 - best) ** 2, **close)


@pytest.mark.equation("eq-gan-optimal")
def test_best_discriminator_is_the_posterior_of_a_fair_coin(laws):
    p, q = laws
    joint = torch.stack([p, q]) / 2
    torch.testing.assert_close(gan.optimal_discriminator(p, q), (joint / joint.sum(0))[0], **close)
    edges = gan.optimal_discriminator(torch.tensor([0.3, 0.7, 0.0, 0.0]), torch.tensor([0.9, 0.0, 0.1, 0.0]))
    torch.testing.assert_close(edges, torch.tensor([0.25, 1.0, 0.0, 0.5]))


def test_gradients_at_points_without_mass_are_no_nan():
    q = torch.tensor([0.5, 0.5, 0.0], dtype=F64, requires_grad=True)
    gan.optimal_discriminator(torch.tensor([0.2, 0.8, 0.0], dtype=F64), q).sum().backward()
    assert q.grad.isfinite().all()


@pytest.mark.equation("eq-gan-ratio")
def test_logit_of_the_best_discriminator_is_a_log_ratio():
    """Two normal densities: the logit is a quadratic function of x, here from SciPy's densities."""
    x = np.linspace(-0.2, 2.2, 29)
    p, q = (torch.tensor(stats.norm(m, s).pdf(x)) for m, s in ((0.0, 0.9), (1.4, 0.5)))
    expected = stats.norm(0.0, 0.9).logpdf(x) - stats.norm(1.4, 0.5).logpdf(x)
    torch.testing.assert_close(gan.optimal_discriminator(p, q).logit(), torch.tensor(expected), rtol=1e-8, atol=1e-9)


@pytest.mark.equation("eq-gan-js")
def test_value_at_the_best_discriminator_is_2_js_less_log_4(laws):
    p, q = laws
    best = gan.value(gan.optimal_discriminator(p, q), p, q)
    torch.testing.assert_close(best, -LOG4 + 2 * js(p, q), **close)
    assert (best > -LOG4 + 1e-6).all()
    torch.testing.assert_close(gan.value(gan.optimal_discriminator(p, p), p, p), torch.full((50,), -LOG4, dtype=F64), **close)
    one = gan.value(gan.optimal_discriminator(P_DATA, P_THETA), P_DATA, P_THETA)
    assert one.item() == pytest.approx(-1.118488, abs=5e-7)
    apart = torch.tensor([0.3, 0.7, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.6, 0.4])
    assert gan.value(gan.optimal_discriminator(*apart), *apart) == 0


@pytest.mark.equation("eq-gan-js")
def test_value_of_two_normal_laws_by_quadrature():
    p, q = stats.norm(0.0, 0.9), stats.norm(1.5, 0.8)
    V = integrate.quad(lambda x: p.pdf(x) * math.log(p.pdf(x) / (p.pdf(x) + q.pdf(x)))
                       + q.pdf(x) * math.log(q.pdf(x) / (p.pdf(x) + q.pdf(x))), -6, 8, epsabs=1e-12, limit=200)[0]
    x = np.linspace(-6, 8, 14001)
    tables = [torch.tensor(law.pdf(x)) for law in (p, q)]
    tables = [table / table.sum() for table in tables]
    assert gan.value(gan.optimal_discriminator(*tables), *tables).item() == pytest.approx(V, abs=1e-9)


@pytest.mark.equation("eq-gan-gap")
def test_a_discriminator_loses_twice_the_mean_divergence_of_its_coins(laws, generator):
    p, q = laws
    D = torch.rand(50, 6, generator=generator, dtype=F64).clamp(0.01, 0.99)
    best = (p / (p + q)).numpy()
    coins = stats.entropy(np.stack([best, 1 - best]), np.stack([D.numpy(), 1 - D.numpy()]), axis=0)
    lost = 2 * (((p + q) / 2).numpy() * coins).sum(-1)
    torch.testing.assert_close(gan.value(D, p, q), -LOG4 + 2 * js(p, q) - torch.tensor(lost), **close)
    assert (lost > 0).all()


@pytest.mark.equation("eq-gan-fenchel")
def test_value_is_the_fenchel_bound_of_log_d(laws, generator):
    p, q = laws
    D = torch.rand(50, 6, generator=generator, dtype=F64).clamp(0.01, 0.99)
    torch.testing.assert_close(dv.fenchel_bound(D.log(), D.log(), dv.GAN, p, q), gan.value(D, p, q), **close)
    T = dv.GAN.derivative(p / q)
    torch.testing.assert_close(T.exp(), gan.optimal_discriminator(p, q), **close)
    # the conjugate of f by search, not by formula
    for t in (-2.7, -0.4):
        found = optimize.minimize_scalar(lambda u: u * math.log(u) - (u + 1) * math.log(u + 1) - t * u,
                                         bounds=(1e-9, 50), method="bounded", options={"xatol": 1e-11})
        assert -found.fun == pytest.approx(-math.log(1 - math.exp(t)), abs=1e-9)


@pytest.mark.equation("eq-gan-convex")
def test_value_at_the_best_discriminator_is_convex_in_the_generators_law(laws, generator):
    p_data, (q, r) = P_DATA, (law[:, :5] / law[:, :5].sum(-1, keepdim=True) for law in laws)

    def top(law):
        return gan.value(gan.optimal_discriminator(p_data.expand_as(law), law), p_data.expand_as(law), law)

    t = torch.rand(50, 1, generator=generator, dtype=F64)
    bound = (1 - t[:, 0]) * top(q) + t[:, 0] * top(r)
    assert (top((1 - t) * q + t * r) < bound).all()
    # affine for a D that is held
    D = torch.rand(5, generator=generator, dtype=F64).expand(50, 5)
    mixed = gan.value(D, p_data.expand(50, 5), (1 - t) * q + t * r)
    apart = [gan.value(D, p_data.expand(50, 5), law) for law in (q, r)]
    torch.testing.assert_close(mixed, (1 - t[:, 0]) * apart[0] + t[:, 0] * apart[1], **close)


@pytest.mark.equation("eq-gan-envelope")
def test_saturating_gradient_at_the_best_discriminator_is_that_of_2_js():
    """By the logits of the generator's law, with D* held on one side and SciPy's JS by differences on the other."""
    theta = torch.tensor([0.3, -0.7, 0.9, -0.2, 0.4], dtype=F64, requires_grad=True)
    held = gan.optimal_discriminator(P_DATA, theta.softmax(0)).detach()
    (gradient,) = torch.autograd.grad(gan.value(held, P_DATA, theta.softmax(0)), theta)
    for k in range(5):
        h = torch.zeros(5, dtype=F64)
        h[k] = 1e-5
        up, down = (js(P_DATA, (theta.detach() + sign * h).softmax(0)) for sign in (1, -1))
        assert gradient[k].item() == pytest.approx(2 * ((up - down) / 2e-5).item(), abs=1e-9)
    moving = gan.value(gan.optimal_discriminator(P_DATA, theta.softmax(0)), P_DATA, theta.softmax(0))
    torch.testing.assert_close(torch.autograd.grad(moving, theta)[0], gradient, **close)


@pytest.mark.equation("eq-gan-envelope", "eq-gan-generator-gradient")
@pytest.mark.parametrize("d, saturating, other", [(1.5, 0.572739, 1.27911), (3.0, 0.151358, 3.55235), (5.0, 0.002928, 6.16991)])
def test_both_gradients_of_a_shifted_normal(d, saturating, other):
    """Data N(0, 0.9^2), generator d + 0.5 z: the chain rule by quadrature over z, with the logit's slope in closed form."""
    def weighted(slope):
        def integrand(z):
            x = d + 0.5 * z
            o = stats.norm(0, 0.9).logpdf(x) - stats.norm(d, 0.5).logpdf(x)
            return stats.norm.pdf(z) * slope(1 / (1 + math.exp(-o))) * (-x / 0.81 + (x - d) / 0.25)
        return integrate.quad(integrand, -9, 9, epsabs=1e-11, limit=200)[0]

    assert weighted(lambda D: -D) == pytest.approx(saturating, abs=1e-6)
    assert weighted(lambda D: D - 1) == pytest.approx(other, abs=1e-5)
    x = torch.linspace(-9, 14, 23001, dtype=F64)
    shift = torch.tensor(d, dtype=F64, requires_grad=True)
    p, q = ((-((x - m) ** 2) / (2 * s**2)).softmax(0) for m, s in ((0.0, 0.9), (shift, 0.5)))
    (slope,) = torch.autograd.grad(2 * dv.js(p, q), shift)
    assert weighted(lambda D: -D) == pytest.approx(slope.item(), abs=1e-8)


half = torch.tensor([0.5, 0.5])
CASES = {
    "p_data must not be negative, got -0.5": lambda: gan.optimal_discriminator(-half, half),
    "p_theta must not be negative, got -0.1": lambda: gan.optimal_discriminator(half, half - 0.6),
    "p_theta holds 1 NaN": lambda: gan.optimal_discriminator(half, torch.tensor([math.nan, 1.0])),
    "D must lie in [0, 1], got -0.5 to 0.5": lambda: gan.value(torch.tensor([-0.5, 0.5]), half, half),
    "D must lie in [0, 1], got 0.5 to 1.5": lambda: gan.value(torch.tensor([0.5, 1.5]), half, half),
    "D must have shape (..., 2), got (3,)": lambda: gan.value(torch.zeros(3), half, half),
    "p must be non-negative and sum to one": lambda: gan.value(half, 2 * half, half),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
