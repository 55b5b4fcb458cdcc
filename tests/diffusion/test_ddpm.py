"""What the notebook ddpm derives: the chain turned round, the weights, the variances, and the gap that stays."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from gmlib import diffusion
from gmlib.diffusion import DATA, NOISE, VELOCITY, Schedule, noise_from_x0, noised, posterior
from tests.diffusion.conftest import BETA, F64

T = len(BETA)
S2 = torch.cat([torch.zeros(1, dtype=F64), 0.9 * BETA + 0.02])
GAIN = torch.tensor([0.0, 0.9, 0.8, 0.85, 0.6, 0.7, 0.4, 0.3], dtype=F64)  # the guess of x_0 is GAIN x


def chain_covariance(v):
    """Of (x_0, ..., x_T): for s <= t it is Var(x_s) times the roots of the alphas between, from numbers only."""
    alpha, var = [1.0, *(1 - BETA).tolist()], [v]
    for t in range(1, T + 1):
        var.append(alpha[t] * var[-1] + 1 - alpha[t])
    return torch.tensor(
        [[var[min(s, t)] * math.sqrt(math.prod(alpha[min(s, t) + 1 : max(s, t) + 1])) for t in range(T + 1)] for s in range(T + 1)], dtype=F64
    )


def model_chain():
    """The model's law of (x_0, ..., x_T) with linear guesses, by its precision matrix: a sum of squares of its steps."""
    schedule = Schedule(BETA)
    precision = torch.zeros(T + 1, T + 1, dtype=F64)
    precision[T, T] = 1
    for t in range(1, T + 1):
        one = torch.ones(1, 1, dtype=F64)
        mean, _ = posterior(GAIN[t] * one, one, schedule.alpha_bar[t], schedule.alpha_bar[t - 1])
        row = torch.zeros(T + 1, dtype=F64)
        row[t - 1], row[t] = 1, -mean.item()
        precision += torch.outer(row, row) / S2[t]
    return MultivariateNormal(torch.zeros(T + 1, dtype=F64), precision_matrix=precision)


def terms_for_gaussian(v, schedule, mse, s2):
    """The mean of L_T, ..., L_0 over data N(0, v), from the library's functions of the errors."""
    c = diffusion.weight_of_x0(schedule)
    end = diffusion.end_kl(torch.tensor([[math.sqrt(v)]], dtype=F64), schedule.alpha_bar[-1]).item()
    later = diffusion.step_kl(mse[2:], s2[2:], schedule.beta_tilde[2:], c[2:], 1).sum().item()
    return end + later + 0.5 * math.log(2 * math.pi * s2[1]) + (mse[1] / (2 * s2[1])).item()


@pytest.mark.equation("eq-diffusion-turn", "eq-diffusion-turned")
def test_the_chain_turned_round(schedule, generator):
    """The joint Gaussian of the chain given x_0, against the posteriors; and each factor by itself."""
    x0, v = 0.7, 1e-30
    S, a = chain_covariance(v)[1:, 1:], schedule.alpha_bar
    x = torch.randn(5, T, generator=generator, dtype=F64)
    joint = multivariate_normal(a[1:].sqrt().numpy() * x0, S.numpy()).logpdf(x.numpy())
    column = torch.full((5, 1), x0, dtype=F64)

    def marginal(t):
        return norm(math.sqrt(a[t]) * x0, math.sqrt(1 - a[t])).logpdf(x[:, t - 1].numpy())

    backwards = marginal(T)
    for t in range(2, T + 1):
        mean, variance = posterior(column, x[:, t - 1 : t], a[t], a[t - 1])
        back = Normal(mean, variance.sqrt()).log_prob(x[:, t - 2 : t - 1])[:, 0].numpy()
        on = norm(math.sqrt(1 - BETA[t - 1]) * x[:, t - 2].numpy(), math.sqrt(BETA[t - 1])).logpdf(x[:, t - 1].numpy())
        np.testing.assert_allclose(on, back + marginal(t) - marginal(t - 1), atol=1e-9)
        backwards = backwards + back
    np.testing.assert_allclose(backwards, joint, atol=1e-9)


@pytest.mark.equation("eq-diffusion-model", "eq-diffusion-reverse-step", "eq-diffusion-chain-bound", "eq-diffusion-bound")
def test_bound_from_the_laws_of_whole_chains(schedule):
    """E[log q - log p] over chains from one x_0 is a Gaussian integral with matrices; the terms must sum to it."""
    x0, a = 0.7, schedule.alpha_bar
    p = model_chain()
    mean = torch.cat([torch.tensor([x0], dtype=F64), a[1:].sqrt() * x0])
    S = chain_covariance(1e-30)[1:, 1:]  # of x_1, ..., x_T given x_0
    q = MultivariateNormal(mean[1:], S)
    cross = 0.5 * torch.trace(p.precision_matrix[1:, 1:] @ S)
    expected = p.log_prob(mean) - cross + q.entropy()  # the mean of log p(x_{0:T}), and of -log q
    mse = (x0 * (1 - GAIN * a.sqrt())) ** 2 + GAIN**2 * (1 - a)
    assert -terms_for_gaussian(x0**2, schedule, mse, S2) == pytest.approx(expected.item(), abs=1e-9)
    marginal = Normal(0, p.covariance_matrix[0, 0].sqrt()).log_prob(torch.tensor(x0, dtype=F64))
    assert expected < marginal  # of the model: it is a bound
    given = MultivariateNormal(mean[1:], S)
    A = p.precision_matrix
    of_model = MultivariateNormal(-torch.linalg.solve(A[1:, 1:], A[1:, 0] * x0), precision_matrix=A[1:, 1:])
    assert (marginal - expected).item() == pytest.approx(kl_divergence(given, of_model).item(), abs=1e-9)


@pytest.mark.equation("eq-diffusion-expected-gap")
@pytest.mark.parametrize("v", [0.6, 2.3])
def test_expected_gap(schedule, v):
    a = schedule.alpha_bar
    mse = v * (1 - GAIN * a.sqrt()) ** 2 + GAIN**2 * (1 - a)
    S, p = chain_covariance(v), model_chain()
    whole = kl_divergence(MultivariateNormal(torch.zeros(T + 1, dtype=F64), S), p).item()
    entropy = 0.5 * math.log(2 * math.pi * math.e * v)
    assert terms_for_gaussian(v, schedule, mse, S2) - entropy == pytest.approx(whole, abs=1e-9)
    by_steps = kl_divergence(Normal(0.0, S[T, T].sqrt()), Normal(0.0, 1.0)).item()
    for t in range(1, T + 1):
        gain = S[t - 1, t] / S[t, t]
        truth = S[t - 1, t - 1] - S[t - 1, t] * gain
        model_gain = -p.precision_matrix[t - 1, t] * S2[t]
        by_steps += 0.5 * (math.log(S2[t] / truth) + (truth + (model_gain - gain) ** 2 * S[t, t]).item() / S2[t].item() - 1)
    assert by_steps == pytest.approx(whole, abs=1e-9)


@pytest.mark.equation("eq-diffusion-error-weights")
def test_errors_in_three_units(schedule):
    x0, eps, error = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
    a = schedule.alpha_bar[torch.tensor([1, 3, 4, 6, 7])]
    x = noised(x0, eps, a)
    for kind, weight in ((NOISE, torch.ones_like(a)), (DATA, a / (1 - a)), (VELOCITY, a)):
        wrong = kind.x0(kind.target(x0, eps, a) + error, x, a)
        in_noise = noise_from_x0(wrong, x, a) - eps
        torch.testing.assert_close(in_noise.square(), weight[:, None] * error.square(), rtol=1e-10, atol=1e-12)


@pytest.mark.equation("eq-diffusion-noise-weight")
def test_weights_of_the_linear_schedule():
    """Against the numbers of the chapter, and the general form c^2 (1 - alpha-bar) / (2 s^2 alpha-bar)."""
    schedule = diffusion.linear(1000)
    weight = diffusion.noise_weight(schedule, schedule.beta)
    for t, known in ((1, 0.50005), (2, 0.27269), (10, 0.07372), (100, 0.01008), (500, 0.00550), (1000, 0.01020)):
        assert weight[t].item() == pytest.approx(known, abs=6e-6)
    c, a = diffusion.weight_of_x0(schedule)[1:], schedule.alpha_bar[1:]
    torch.testing.assert_close(weight[1:], c**2 * (1 - a) / (2 * schedule.beta[1:] * a), rtol=1e-9, atol=0)
    assert 1 < weight[1:].argmin() < 999


@pytest.mark.equation("eq-diffusion-best-variance", "eq-diffusion-isotropic-variance")
@pytest.mark.parametrize("v, known", [(0.4, 0.162911), (2.5, 0.211655)])
def test_best_variance_of_a_gaussian(schedule, v, known):
    """The conditional variance from the chain's covariance matrix."""
    S, a = chain_covariance(v), schedule.alpha_bar
    mmse = torch.cat([torch.zeros(1, dtype=F64), v - S[0, 1:] ** 2 / S.diagonal()[1:]])
    best = diffusion.best_variance(mmse, schedule)
    for t in range(1, T + 1):
        assert best[t].item() == pytest.approx((S[t - 1, t - 1] - S[t - 1, t] ** 2 / S[t, t]).item(), abs=1e-12)
        before, after = a[t - 1] * v + 1 - a[t - 1], a[t] * v + 1 - a[t]
        assert best[t].item() == pytest.approx((schedule.beta[t] * before / after).item(), abs=1e-12)
    assert best[4].item() == pytest.approx(known, abs=1e-6)
    assert (best[4] < schedule.beta[4]) == (v < 1)


@pytest.mark.equation("eq-diffusion-variance-bounds")
def test_bounds_of_the_best_variance(schedule, line, plane):
    """Exact errors of two mixtures, by quadrature and by draws, inside of the bounds; the first where beta is none."""
    a, c = schedule.alpha_bar, diffusion.weight_of_x0(schedule)
    exceeds = 0
    for t in range(2, T + 1):
        mmse = line_mmse(line, a[t].item())
        best, upper = schedule.beta_tilde[t] + c[t] ** 2 * mmse, ratio(1.264225, t, schedule)
        assert schedule.beta_tilde[t] < best < upper < schedule.beta[t] / (1 - schedule.beta[t])
        exceeds += best > schedule.beta[t]
    assert 0 < exceeds < T - 1
    x0 = plane.mixture.sample((20_000,), torch.Generator().manual_seed(2))
    v = x0.var(0).mean().item()
    for t in (2, 5):
        x = noised(x0, torch.randn(x0.shape, generator=torch.Generator().manual_seed(t), dtype=F64), a[t])
        mmse = (x0 - plane.denoise(x, a[t].item())).square().mean()
        assert schedule.beta_tilde[t] < schedule.beta_tilde[t] + c[t] ** 2 * mmse < 1.01 * ratio(v, t, schedule)


def ratio(v, t, schedule):
    a, b = schedule.alpha_bar[t].item(), schedule.alpha_bar[t - 1].item()
    return schedule.beta[t].item() * (b * v + 1 - b) / (a * v + 1 - a)


def line_mmse(line, a):
    """1.264225 + 0.13^2 less the mean square of the denoiser."""

    def f(x):
        at = torch.tensor([[x]], dtype=F64)
        return line.log_prob(at, a).exp().item() * line.denoise(at, a).item() ** 2

    return 1.264225 + 0.13**2 - quad(f, -9, 9, points=[-1.3, 0.0, 0.9], epsabs=1e-12, limit=200)[0]


@pytest.mark.equation("eq-diffusion-surplus")
def test_what_beta_tilde_loses(schedule):
    """The difference of two divergences of torch's, for any error."""
    error, c, tilde = 0.31, diffusion.weight_of_x0(schedule), schedule.beta_tilde
    for t in (2, 4, 7):
        best = tilde[t] + c[t] ** 2 * error
        q = Normal(torch.zeros((), dtype=F64), tilde[t].sqrt())
        terms = [kl_divergence(q, Normal(c[t] * math.sqrt(error), s.sqrt())) for s in (tilde[t], best)]
        r = 1 + (schedule.snr[t - 1] - schedule.snr[t]) * error
        assert r.item() == pytest.approx((best / tilde[t]).item(), rel=1e-10)
        assert (terms[0] - terms[1]).item() == pytest.approx(0.5 * (r - 1 - r.log()).item(), abs=1e-10)


@pytest.mark.equation("eq-diffusion-small-noise")
@pytest.mark.parametrize("log_rho", [-3.0, -1.5, -0.4, 0.6, 2.0])
def test_bounds_of_the_error(line, log_rho):
    rho2 = math.exp(2 * log_rho)
    mmse = line_mmse(line, 1 / (1 + rho2))
    fisher = quad(lambda x: line.score(torch.tensor([[x]], dtype=F64), 1.0).item() ** 2
                  * line.log_prob(torch.tensor([[x]], dtype=F64), 1.0).exp().item(), -6, 6, points=[-1.3, -0.4, 0.9])[0]  # fmt: skip
    assert rho2 / (1 + fisher * rho2) - 1e-10 < mmse < rho2
    v = 0.7  # on a Gaussian, whose Fisher information is 1 / v, the lower bound is the error itself
    assert v * rho2 / (v + rho2) == pytest.approx(rho2 / (1 + rho2 / v), abs=1e-12)


@pytest.mark.equation("eq-diffusion-gamma")
@pytest.mark.parametrize("v, known", [(1.7, (0.263725, 0.282898, 0.287919, 0.288527)), (0.4, (0.157858, 0.243032, 0.281253, 0.287595))])
def test_the_gap_that_stays(v, known):
    """The whole gap, term by term, of a Gaussian with its best denoiser and beta-tilde; with the best variances there is none."""
    entropy = 0.5 * math.log(2 * math.pi * math.e * v)
    gaps = []
    for n in (200, 1000, 10_000, 100_000):
        schedule = Schedule(torch.full((n,), 12 / n, dtype=F64))
        a = schedule.alpha_bar
        mmse = v * (1 - a) / (a * v + 1 - a)
        best = diffusion.best_variance(mmse, schedule)
        tilde = schedule.beta_tilde.clone()
        tilde[1] = best[1]
        assert terms_for_gaussian(v, schedule, mmse, best) - entropy == pytest.approx(0, abs=1e-8)
        gaps.append(terms_for_gaussian(v, schedule, mmse, tilde) - entropy)
    assert gaps == pytest.approx(known, abs=1e-6)
    assert gaps[-1] == pytest.approx(-torch.digamma(torch.ones(1, dtype=F64)).item() / 2, abs=1.2e-3)


@pytest.mark.equation("eq-diffusion-least-squares", "eq-diffusion-exact-denoiser")
def test_no_guess_beats_the_exact_denoiser():
    """Two points on the line: the loss of any guess, by quadrature, is the least loss and the square distance."""
    data, a = torch.tensor([[-0.4], [1.1], [1.3]], dtype=F64), 0.62

    def mean(x):
        return diffusion.exact_denoiser(torch.tensor([[x]], dtype=F64), data, a).item()

    def integral(f):
        def g(x):
            return sum(f(x, n.item()) * norm.pdf(x, math.sqrt(a) * n.item(), math.sqrt(1 - a)) for n in data) / 3

        return quad(g, -6, 6, points=[-0.3, 0.9], epsabs=1e-12)[0]

    def other(x):
        return 0.8 * mean(x) + 0.1 * math.sin(x)

    least = integral(lambda x, n: (n - mean(x)) ** 2)
    apart = integral(lambda x, n: (other(x) - mean(x)) ** 2)
    assert integral(lambda x, n: (n - other(x)) ** 2) == pytest.approx(least + apart, abs=1e-9)


@pytest.mark.equation("eq-diffusion-ancestral")
def test_no_noise_at_the_last_step(schedule):
    """From x_1 to x_0 the denoised point is returned, whatever is drawn; from x_2 on noise is added, of the right size."""
    x = torch.tensor([[0.3], [-1.1]], dtype=F64)
    for seed in (0, 1):
        out = diffusion.ancestral(lambda x, t: 0.4 * x, schedule, x, [1, 0], generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(out, 0.4 * x, rtol=0, atol=1e-12)
    two = [diffusion.ancestral(lambda x, t: 0.4 * x, schedule, x, [2, 1, 0], generator=torch.Generator().manual_seed(s)) for s in (0, 1)]
    assert (two[0] - two[1]).abs().min() > 1e-6
    z = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=F64)
    mean, variance = posterior(0.4 * x, x, schedule.alpha_bar[2], schedule.alpha_bar[1])
    torch.testing.assert_close(two[0], 0.4 * (mean + variance.sqrt() * z), rtol=0, atol=1e-12)


CASES = {
    "no levels": lambda: diffusion.binned_log_prob(torch.tensor([0.1]), torch.tensor([0.1]), 0.0, 2 / 16),
    "x": lambda: posterior(torch.zeros(2, 1), torch.zeros(3, 1), 0.5, 0.9),
    "beta": lambda: Schedule(torch.tensor([0.1, 1.0])),
    "points": lambda: diffusion.exact_denoiser(torch.zeros(2, 3), torch.zeros(3), 0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name):
    with pytest.raises(ValueError):
        CASES[name]()
