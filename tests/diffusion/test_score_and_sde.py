"""What the notebook on scores and stochastic equations derives: against quadrature, exact moments and solved linear systems."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.linalg import solve_banded
from scipy.stats import norm

from gmlib import diffusion as df
from gmlib.ode import integrate
from gmlib.targets import GaussianMixture
from tests.diffusion.conftest import BETA, F64, MU, PI, SIGMA

MODELS = [  # a model of the score and its derivative
    (lambda x: 0.3 - 0.8 * x + 0.1 * x**2, lambda x: -0.8 + 0.2 * x),
    (lambda x: -0.4 * x**3 + 0.7 * x, lambda x: -1.2 * x**2 + 0.7),
]
ALPHA_BARS = (0.37, 0.82)


def components(a):
    return [(p, math.sqrt(a) * m, math.sqrt(a * s**2 + 1 - a)) for p, m, s in zip(PI, MU, SIGMA, strict=True)]


def q(x, a):
    """The density of x_t, from scipy's normal law."""
    return sum(p * norm.pdf(x, m, s) for p, m, s in components(a))


def dq(x, a):
    return sum(-p * norm.pdf(x, m, s) * (x - m) / s**2 for p, m, s in components(a))


def ddq(x, a):
    return sum(p * norm.pdf(x, m, s) * ((x - m) ** 2 / s**4 - 1 / s**2) for p, m, s in components(a))


def F(x, a):
    return sum(p * norm.cdf(x, m, s) for p, m, s in components(a))


def mean(f, a):
    return quad(lambda x: q(x, a) * f(x), -9, 9, points=[-1, 0.8], epsabs=1e-12, limit=400)[0]


def score(x, a):
    return dq(x, a) / q(x, a)


def posterior_moment(f, x, a):
    """The mean of f(x_0) given x_t = x, by Bayes' rule and quadrature."""
    def weight(x0):
        return q(x0, 1.0) * norm.pdf(x, math.sqrt(a) * x0, math.sqrt(1 - a))

    top, bottom = (quad(lambda u: g(u) * weight(u), -7, 7, points=[-1.3, 0.9], epsabs=1e-13, limit=400)[0] for g in (f, lambda u: 1.0))
    return top / bottom


def number(x):
    return torch.tensor([[x]], dtype=F64)


def signal(log_rho):
    return 1 / (1 + math.exp(2 * log_rho))


def timed(line):
    return lambda x, log_rho: line.score(x, 1 - df.noise_variance(log_rho))


@pytest.mark.equation("eq-diffusion-score-integral")
def test_score_along_a_line_gives_the_difference(plane):
    a, b = torch.tensor([0.7, -1.9], dtype=F64), torch.tensor([-1.2, 1.1], dtype=F64)
    got = quad(lambda u: ((b - a) @ plane.score((a + u * (b - a))[None], 0.6)[0]).item(), 0, 1, epsabs=1e-12, limit=300)[0]
    assert got == pytest.approx((plane.log_prob(b[None], 0.6) - plane.log_prob(a[None], 0.6)).item(), abs=1e-9)


@pytest.mark.equation("eq-diffusion-score-mixture", "eq-diffusion-score")
@pytest.mark.parametrize("a", ALPHA_BARS)
def test_score_of_the_mixture(line, a):
    for x in (-1.7, 0.2, 1.3):
        assert line.score(number(x), a).item() == pytest.approx(score(x, a), abs=1e-10)


@pytest.mark.equation("eq-diffusion-score-matching", "eq-diffusion-by-parts", "eq-diffusion-implicit-score")
@pytest.mark.parametrize("a", ALPHA_BARS)
def test_implicit_score_matching(line, a):
    def s(x):
        return line.score(number(x), a).item()

    for model, slope in MODELS:
        assert mean(lambda x: model(x) * s(x), a) == pytest.approx(-mean(slope, a), abs=1e-9)
        explicit = mean(lambda x: (model(x) - s(x)) ** 2, a)
        implicit = mean(lambda x: model(x) ** 2 + 2 * slope(x), a)
        assert explicit == pytest.approx(implicit + mean(lambda x: s(x) ** 2, a), abs=1e-9)


@pytest.mark.equation("eq-diffusion-half-line")
def test_half_line_has_a_boundary():
    for model, slope in MODELS:
        left = quad(lambda x: model(x) * -math.exp(-x), 0, 60, epsabs=1e-12)[0]
        right = -model(0.0) - quad(lambda x: slope(x) * math.exp(-x), 0, 60, epsabs=1e-12)[0]
        assert left == pytest.approx(right, abs=1e-9)
    constant = [(c + 1) ** 2 - c**2 for c in (-1.0, 0.0, 0.6)]  # explicit less implicit is no constant
    assert max(constant) - min(constant) > 1


@pytest.mark.equation("eq-diffusion-conditional-score")
def test_conditional_score():
    x0, eps, a = torch.tensor([[0.7, -1.1]], dtype=F64), torch.tensor([[0.4, 1.9]], dtype=F64), 0.37
    x = df.noised(x0, eps, a).requires_grad_()
    (got,) = torch.autograd.grad(torch.distributions.Normal(math.sqrt(a) * x0, math.sqrt(1 - a)).log_prob(x).sum(), x)
    torch.testing.assert_close(got, -eps / math.sqrt(1 - a), rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-score-mean", "eq-diffusion-score-bayes", "eq-diffusion-score-noise")
@pytest.mark.parametrize("a", ALPHA_BARS)
def test_score_is_the_mean_of_conditional_scores(line, a):
    for x in (-1.05, 0.4):
        expected = posterior_moment(lambda u, x=x: -(x - math.sqrt(a) * u) / (1 - a), x, a)
        assert line.score(number(x), a).item() == pytest.approx(expected, abs=1e-9)
        eps = df.noise_from_x0(line.denoise(number(x), a), number(x), a)
        assert -eps.item() / math.sqrt(1 - a) == pytest.approx(expected, abs=1e-9)


@pytest.mark.equation("eq-diffusion-dsm", "eq-diffusion-dsm-constant", "eq-diffusion-dsm-noise")
@pytest.mark.parametrize("a, constant, floor", [(0.37, 0.649971, 0.409481), (0.82, 3.387118, 0.609681)])
def test_denoising_score_matching(line, a, constant, floor):
    """The loss of a polynomial model is exact by Gauss-Hermite nodes for x_0 and for the noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights, sigma2 = weights / math.sqrt(2 * math.pi), 1 - a
    fisher = mean(lambda x: score(x, a) ** 2, a)
    C = 1 / sigma2 - fisher
    mmse = mean(lambda x: sigma2 / a * (1 + sigma2 * (ddq(x, a) / q(x, a) - score(x, a) ** 2)), a)
    assert C == pytest.approx(constant, abs=1e-6) and sigma2 * C == pytest.approx(floor, abs=1e-6)
    assert C == pytest.approx(a * mmse / sigma2**2, abs=1e-8)
    for model, _ in MODELS:
        loss = 0.0
        for p, m, s in zip(PI, MU, SIGMA, strict=True):
            x = math.sqrt(a) * (m + s * nodes[:, None]) + math.sqrt(sigma2) * nodes
            loss += p * (weights[:, None] * weights * (model(x) + nodes / math.sqrt(sigma2)) ** 2).sum()
        matching = mean(lambda x: (model(x) - line.score(number(x), a).item()) ** 2, a)
        assert loss == pytest.approx(matching + C, abs=1e-8)
        noise_loss = sigma2 * loss  # of eps_theta = -sigma s_theta
        assert noise_loss == pytest.approx(sigma2 * matching + floor, abs=1e-6)


@pytest.mark.equation("eq-diffusion-tweedie-slope")
@pytest.mark.parametrize("a", ALPHA_BARS)
def test_slope_of_the_denoiser_is_a_variance(line, a):
    for x in (-0.8, 0.4):
        y = number(x).requires_grad_()
        (slope,) = torch.autograd.grad(line.denoise(y, a).sum(), y)
        m = posterior_moment(lambda u: u, x, a)
        variance = posterior_moment(lambda u, m=m: (u - m) ** 2, x, a)
        assert slope.item() == pytest.approx(math.sqrt(a) / (1 - a) * variance, abs=1e-8)


@pytest.mark.equation("eq-diffusion-relative-error")
def test_relative_error_and_share(line):
    """The same ratio for scores and for noises of any network; the share from the best noise's mean square."""
    torch.manual_seed(0)
    model = df.Diffusion(df.TimeMLP(1, 16).double(), df.Schedule(BETA), (1,))
    x = torch.linspace(-2, 2, 9, dtype=F64)[:, None]
    with torch.no_grad():
        for t in (2, 6):
            a = model.schedule.alpha_bar[t].item()
            s, s_theta = line.score(x, a), model.score(x, t)
            eps, eps_theta = (df.noise_from_x0(x0, x, a) for x0 in (line.denoise(x, a), model.denoise(x, t)))
            ratios = [((b - c).square().sum() / c.square().sum()).item() for b, c in ((s_theta, s), (eps_theta, eps))]
            assert ratios[0] == pytest.approx(ratios[1], rel=1e-10)
    x, x0 = np.linspace(-8, 8, 801)[:, None], np.linspace(-5, 5, 2001)
    for a, floor in ((0.37, 0.409481), (0.82, 0.609681)):
        eps = (x - math.sqrt(a) * x0) / math.sqrt(1 - a)
        joint = q(x0, 1.0) * norm.pdf(x, math.sqrt(a) * x0, math.sqrt(1 - a)) * 0.005
        of_law = joint.sum(1)
        share = ((joint * eps).sum(1) ** 2 / of_law).sum() * 0.02  # of the mean of eps given x_t, the best prediction
        assert share == pytest.approx((1 - a) * mean(lambda x, a=a: score(x, a) ** 2, a), abs=1e-8)
        assert share == pytest.approx(1 - floor, abs=1e-6)


@pytest.mark.equation("eq-diffusion-fokker-planck")
def test_fokker_planck_for_a_linear_drift():
    """Under x + h (0.4 - 0.9 x) + 0.8 sqrt(h) z a mixture stays one, so its density's change is exact."""
    a = 0.7

    def after(x, h):
        return sum(p * norm.pdf(x, m + h * (0.4 - 0.9 * m), math.sqrt((1 - 0.9 * h) ** 2 * s**2 + 0.64 * h)) for p, m, s in components(a))

    for x in (-0.9, 0.3, 1.4):
        rates = [(after(x, h) - q(x, a)) / h for h in (4e-4, 2e-4, 1e-4)]
        first, second = 2 * rates[1] - rates[0], 2 * rates[2] - rates[1]
        expected = 0.9 * q(x, a) - (0.4 - 0.9 * x) * dq(x, a) + 0.32 * ddq(x, a)
        assert (4 * second - first) / 3 == pytest.approx(expected, abs=1e-7)


@pytest.mark.equation("eq-diffusion-stationary", "eq-diffusion-langevin")
def test_what_langevin_keeps(line):
    """The flux f p - g^2 p' / 2 of each law is 0 everywhere, and not that of the other."""
    for x in (-0.7, 0.3, 1.6):
        s, p, slope = line.score(number(x), 0.7).item(), q(x, 0.7), dq(x, 0.7)
        assert s * p - 2 / 2 * slope == pytest.approx(0, abs=1e-10)
        assert s * p**2 - 1 / 2 * 2 * p * slope == pytest.approx(0, abs=1e-10)
        assert abs(s * p - 1 / 2 * slope) > 1e-3


@pytest.mark.equation("eq-diffusion-langevin-variance")
@pytest.mark.parametrize("v, h, c", [(0.7, 0.2, 0.3), (1.6, 0.5, 1.0), (0.7, 0.2, math.sqrt(0.4))])
def test_variance_for_any_noise(v, h, c):
    """A sum over all past noises."""
    total = sum(c**2 * (1 - h / v) ** (2 * k) for k in range(400))
    assert c**2 * v / (2 * h) / (1 - h / (2 * v)) == pytest.approx(total, abs=1e-10)


@pytest.mark.equation("eq-diffusion-passage")
def test_passage_time_is_the_mean_wait():
    """Against a walk on a grid with the same drift and spread, whose mean waits solve a linear system."""
    a, b, low, n = -1.3, 0.9, -4.0, 9801
    x = np.linspace(low, b, n)
    h = x[1] - x[0]
    s = score(x, 1.0)
    up, down = 1 / h**2 + s / (2 * h), 1 / h**2 - s / (2 * h)
    bands = np.zeros((3, n))
    bands[1] = -(up + down)
    bands[0, 1:], bands[2, :-1] = up[:-1], down[1:]
    bands[1, 0] = -up[0]  # reflected at the low end
    bands[1, -1], bands[2, -2] = 1, 0
    wait = solve_banded((1, 1), bands, np.r_[-np.ones(n - 1), 0])
    formula = quad(lambda y: F(y, 1.0) / q(y, 1.0), a, b, epsabs=1e-10, limit=300)[0]
    assert formula == pytest.approx(np.interp(a, x, wait), rel=1e-3)
    assert formula == pytest.approx(12.431751, abs=1e-4)


@pytest.mark.equation("eq-diffusion-blind")
def test_score_hardly_sees_the_weights_of_far_hills():
    laws = [GaussianMixture(torch.tensor(pi, dtype=F64), torch.tensor([[-4.0], [4.0]], dtype=F64),
                            torch.tensor([[[0.25]], [[0.49]]], dtype=F64)) for pi in ((0.35, 0.65), (0.65, 0.35))]
    x = torch.linspace(-12, 12, 24_001, dtype=F64)[:, None]
    p, r = (law.log_prob(x).exp() for law in laws)
    J = torch.trapezoid(p * (laws[0].score(x) - laws[1].score(x))[:, 0].square(), x[:, 0]).item()
    assert 0 < J < 1e-8
    assert torch.trapezoid((p - r).abs(), x[:, 0]).item() / 2 == pytest.approx(0.3, abs=1e-6)


@pytest.mark.equation("eq-diffusion-unscaled")
def test_score_without_the_factor(plane):
    a, m = 0.43, plane.mixture
    rho2 = (1 - a) / a
    wide = GaussianMixture(m.pi, m.mu, m.Sigma + rho2 * torch.eye(2, dtype=F64))
    x = torch.randn(5, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(wide.score(x), math.sqrt(a) * plane.score(math.sqrt(a) * x, a), rtol=0, atol=1e-10)


@pytest.mark.equation("eq-diffusion-annealed")
def test_annealed_variance_of_a_gaussian(generator):
    """On N(0, v) each step is linear, so the variance after all levels is a recursion."""
    v, eta, V = 0.4, 0.3, 9.0
    x = 3 * torch.randn(100_000, 1, generator=generator, dtype=F64)
    for rho in (2.0, 0.9, 0.3):
        w, h = v + rho**2, eta * rho**2
        x = df.langevin(lambda x, w=w: -x / w, x, h, 6, generator)
        for _ in range(6):
            V = (1 - h / w) ** 2 * V + 2 * h
    assert x.var().item() == pytest.approx(V, rel=5 * math.sqrt(2 / 100_000))


@pytest.mark.equation("eq-diffusion-sde", "eq-diffusion-forward-equation")
def test_forward_equation_of_the_chain():
    """The density after a step of the chain, exactly, and its rate as the step shrinks; the product of many steps."""
    a = 0.61

    def after(x, b):
        return q(x, a * (1 - b))

    for x in (-0.9, 0.3, 1.4):
        rates = [(after(x, b) - q(x, a)) / b for b in (4e-4, 2e-4, 1e-4)]
        first, second = 2 * rates[1] - rates[0], 2 * rates[2] - rates[1]
        expected = 0.5 * (q(x, a) + x * dq(x, a)) + 0.5 * ddq(x, a)
        assert (4 * second - first) / 3 == pytest.approx(expected, abs=1e-7)
    t = (torch.arange(4000, dtype=F64) + 0.5) * 0.8 / 4000
    beta = (0.3 + 2.9 * t**2) * 0.8 / 4000
    integral = quad(lambda t: 0.3 + 2.9 * t**2, 0, 0.8)[0]
    assert df.Schedule(beta).alpha_bar[-1].item() == pytest.approx(math.exp(-integral), abs=1e-4)
    assert abs(df.Schedule(beta).alpha_bar[-1].item() - math.exp(-integral / 2)) > 0.1


@pytest.mark.equation("eq-diffusion-clock")
@pytest.mark.parametrize("schedule", [df.linear(1000), df.cosine(1000), df.Schedule(BETA)])
def test_every_schedule_tells_the_same_time(schedule):
    i, j = 2, schedule.T // 2 + 2
    low, high = schedule.log_rho[i].item(), schedule.log_rho[j].item()
    way = quad(lambda r: 2 * df.noise_variance(torch.tensor(r, dtype=F64)).item(), low, high, epsabs=1e-12)[0]
    assert way == pytest.approx((schedule.alpha_bar[i] / schedule.alpha_bar[j]).log().item(), abs=1e-9)


@pytest.mark.equation("eq-diffusion-reverse-bayes", "eq-diffusion-reverse-sde")
def test_small_step_back_by_bayes_rule(line):
    a, x = 0.61, 0.4
    s, misses = line.score(number(x), a).item(), []
    for b in (0.02, 0.01):
        def weight(y, b=b):
            return q(y, a / (1 - b)) * norm.pdf(x, math.sqrt(1 - b) * y, math.sqrt(b))

        ends = x - 12 * math.sqrt(b), x + 12 * math.sqrt(b)
        m0, m1, m2 = (quad(lambda y, k=k: y**k * weight(y), *ends, epsabs=1e-14, epsrel=1e-13, limit=400)[0] for k in range(3))
        m = m1 / m0
        misses.append((m - (x + b * (x / 2 + s)), m2 / m0 - m**2 - b))
    for coarse, fine in zip(*misses, strict=True):
        assert abs(fine) < 1e-4 and coarse / fine == pytest.approx(4, abs=0.2)
    one = df.reverse_sde(lambda x, log_rho: line.score(x, a), number(x), *(-0.5 * math.log(a / (1 - a)) + d for d in (-0.01, 0)), 1)
    assert one.item() == pytest.approx(x + 2 * (1 - a) * 0.01 * (x / 2 + s), abs=1e-10)


@pytest.mark.equation("eq-diffusion-reverse-family")
@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0, 1.4])
def test_every_member_keeps_the_variance_of_a_gaussian(lam):
    """The variance after a small step back is that of x at the earlier time, up to the square of the step."""
    v, a, misses = 0.4, 0.61, []
    w = a * v + 1 - a
    for b in (2e-4, 1e-4):
        V = (1 + b * (0.5 - (1 + lam**2) / (2 * w))) ** 2 * w + lam**2 * b
        earlier = a * math.exp(b)
        misses.append(V - (earlier * v + 1 - earlier))
    assert abs(misses[1]) < 1e-7 and abs(misses[0] / misses[1] - 4) < 0.1


@pytest.mark.equation("eq-diffusion-reverse-family")
@pytest.mark.parametrize("lam", [0.0, 0.6, 1.4])
def test_every_member_keeps_the_mixture(line, lam):
    """The flux of the backward equation: minus that of the forward one."""
    a, beta, d = 0.61, 1.7, 1e-5

    def flux(x):
        drift = beta * (x / 2 + (1 + lam**2) / 2 * line.score(number(x), a).item())
        return drift * q(x, a) - lam**2 * beta / 2 * dq(x, a)

    for x in (-0.9, 0.3, 1.4):
        rate = (q(x, a * (1 + d)) - q(x, a * (1 - d))) / (2 * d) * beta  # -dq/dt, as d alpha-bar = -beta alpha-bar dt
        assert -(flux(x + d) - flux(x - d)) / (2 * d) == pytest.approx(rate, abs=1e-7)


@pytest.mark.equation("eq-diffusion-flow-order", "eq-diffusion-flow")
def test_flow_keeps_the_order(line):
    start, end = math.log(0.05), math.log(7.0)
    x = torch.tensor([[-1.9], [-0.2], [1.6]], dtype=F64)
    z, _ = integrate(df.flow_field(timed(line)), x, start, end, 400)
    for before, after in zip(x[:, 0].tolist(), z[:, 0].tolist(), strict=True):
        assert F(after, signal(end)) == pytest.approx(F(before, signal(start)), abs=1e-9)


@pytest.mark.equation("eq-diffusion-flow-end", "eq-diffusion-flow-likelihood")
def test_what_the_end_law_costs(line):
    start, end = math.log(1e-2), math.log(30.0)
    x = torch.tensor([[-1.05], [0.55], [0.1]], dtype=F64)
    with torch.no_grad():
        value = df.flow_log_prob(timed(line), x, start, end, 300)
        z, _ = integrate(df.flow_field(timed(line)), x, start, end, 300)
    for i in range(3):
        at_end = z[i].item()
        expected = norm.logpdf(at_end) - math.log(q(at_end, signal(end)))
        assert abs(expected) > 1e-4
        assert value[i].item() - math.log(q(x[i].item(), signal(start))) == pytest.approx(expected, abs=1e-8)


@pytest.mark.equation("eq-diffusion-unscaled-step")
def test_steps_without_the_factor(schedule):
    """The chain's own noises, each carried on to time t, have the variances that the unscaled chain adds."""
    a, beta = schedule.alpha_bar.tolist(), BETA.tolist()
    for t in range(1, 8):
        total = sum(beta[k - 1] * a[t] / a[k] for k in range(1, t + 1))  # the noise of step k, shrunk since
        assert total == pytest.approx(1 - a[t], abs=1e-12)
        assert (2 * schedule.log_rho[t]).exp().item() == pytest.approx(sum(beta[k - 1] / a[k] for k in range(1, t + 1)), abs=1e-10)


@pytest.mark.equation("eq-diffusion-unscaled-flow")
def test_flow_without_the_factor(plane):
    m, start, end = plane.mixture, math.log(0.1), math.log(5.0)
    x = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    z, _ = integrate(df.flow_field(timed(plane)), x, start, end, 400)

    def field(x, rho):
        return -rho * GaussianMixture(m.pi, m.mu, m.Sigma + rho**2 * torch.eye(2, dtype=F64)).score(x)

    y, _ = integrate(field, x / math.sqrt(signal(start)), 0.1, 5.0, 600)
    torch.testing.assert_close(y * math.sqrt(signal(end)), z, rtol=0, atol=1e-7)


@pytest.mark.equation("eq-diffusion-ddpm-step")
def test_step_of_ddpm(line, schedule):
    """The mean of x_{t-1} given x_t: by Tweedie's formula for the last step alone, on the mixture that came before it."""
    x = torch.tensor([[0.4], [-0.8], [1.3]], dtype=F64)
    for t in (2, 4, 7):
        a, b = schedule.alpha_bar[t].item(), schedule.alpha_bar[t - 1].item()
        got, variance = df.posterior(line.denoise(x, a), x, a, b)
        step = df.DiffusedMixture(line.at(b)).denoise(x, a / b)
        torch.testing.assert_close(got, step, rtol=0, atol=1e-10)
        s = torch.tensor([[score(v, a)] for v in x[:, 0].tolist()], dtype=F64)
        torch.testing.assert_close(got, (x + (1 - a / b) * s) / math.sqrt(a / b), rtol=0, atol=1e-10)
        low, high = ((1 - u) / u for u in (b, a))
        unscaled = x / math.sqrt(a) + (high - low) * math.sqrt(a) * s
        torch.testing.assert_close(got, math.sqrt(b) * unscaled, rtol=0, atol=1e-10)
        assert variance.item() == pytest.approx(b * low * (high - low) / high, abs=1e-12)
        assert variance.item() == pytest.approx(schedule.beta_tilde[t].item(), abs=1e-12)
