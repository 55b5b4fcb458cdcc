"""The notebook on the forward process: against enumeration of coin tosses, joint Gaussians, quadrature and exact fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from gmlib import diffusion
from gmlib.diffusion import Schedule, end_kl, noised, posterior
from tests.diffusion.conftest import BETA, F64, MU, PI, SIGMA

T = len(BETA)


def joint(schedule, x0):
    """x_1, …, x_T given a number x_0: the law of T normals under the linear map that the chain is."""
    step = torch.eye(T, dtype=F64) - torch.diag((1 - BETA[1:]).sqrt(), -1)  # step @ x = noise, plus x_0 in the first row
    first = torch.zeros(T, dtype=F64)
    first[0] = (1 - BETA[0]).sqrt() * x0
    scale = torch.linalg.solve(step, torch.diag(BETA.sqrt()))
    return MultivariateNormal(torch.linalg.solve(step, first), scale @ scale.T)


@pytest.mark.equation("eq-diffusion-variance")
def test_variance_by_enumeration_of_coins(schedule):
    """Noise of fair coins has the same covariance as normal noise, and all 2^T paths can be listed."""
    coins = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=T)), dtype=F64)
    data, mass = torch.tensor([-1.1, 0.4, 2.9], dtype=F64), torch.tensor([0.5, 0.2, 0.3], dtype=F64)
    start = (mass * data**2).sum() - (mass * data).sum() ** 2
    for scaled in (True, False):
        x = data[:, None].expand(3, len(coins))
        for t, beta in enumerate(BETA, 1):
            x = ((1 - beta).sqrt() if scaled else 1) * x + beta.sqrt() * coins[:, t - 1]
            each = mass[:, None] / len(coins)
            variance = (each * x**2).sum() - (each * x).sum() ** 2
            a = schedule.alpha_bar[t]
            expected = 1 + a * (start - 1) if scaled else start + BETA[:t].sum()
            torch.testing.assert_close(variance, expected, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-diffusion-fixed-point")
def test_fixed_point_in_fractions():
    a2, beta, v = Fraction(36, 100), Fraction(17, 100), Fraction(26, 10)
    at, start = beta / (1 - a2), v
    for t in range(1, 9):
        v = a2 * v + beta
        assert v - at == a2**t * (start - at)
    assert beta / (1 - (1 - beta)) == 1 and beta / (1 - (1 - beta) ** 2) == 1 / (2 - beta)


@pytest.mark.equation("eq-diffusion-unrolled", "eq-diffusion-two-times", "eq-diffusion-closed")
def test_joint_covariance(schedule):
    """Means, covariances and weights of the whole path, from the inverse of one matrix."""
    law, a = joint(schedule, 0.7), schedule.alpha_bar[1:]
    torch.testing.assert_close(law.mean, a.sqrt() * 0.7, rtol=0, atol=1e-12)
    early = torch.minimum(torch.arange(T)[:, None], torch.arange(T))
    late = torch.maximum(torch.arange(T)[:, None], torch.arange(T))
    torch.testing.assert_close((a[late] / a[early]).sqrt() * (1 - a[early]), law.covariance_matrix, rtol=0, atol=1e-12)
    w = ((a[:, None] / a) * BETA).sqrt().tril()
    torch.testing.assert_close(w @ w.T, law.covariance_matrix, rtol=0, atol=1e-12)
    for t in range(T):
        spread = noised(torch.zeros(1, 1, dtype=F64), torch.ones(1, 1, dtype=F64), a[t])
        assert spread.square().item() == pytest.approx(law.covariance_matrix[t, t].item(), abs=1e-12)


@pytest.mark.equation("eq-diffusion-jump")
def test_two_jumps_are_one(schedule):
    a = schedule.alpha_bar

    def jump(x, before, t, r):
        return norm.pdf(x, math.sqrt(a[t] / a[r]) * before, math.sqrt(1 - a[t] / a[r]))

    for t, s, r in ((6, 4, 2), (5, 4, 1), (7, 3, 0)):
        through = quad(lambda y, t=t, s=s, r=r: jump(-1.2, y, t, s) * jump(y, 0.7, s, r), -9, 9, points=[0], epsabs=1e-13)[0]
        assert through == pytest.approx(jump(-1.2, 0.7, t, r), abs=1e-9)
    assert jump(0.3, 0.7, 4, 3) == pytest.approx(norm.pdf(0.3, math.sqrt(0.81) * 0.7, math.sqrt(0.19)), abs=1e-12)


@pytest.mark.equation("eq-diffusion-units", "eq-diffusion-pace", "eq-diffusion-even-pace")
def test_noise_over_signal(schedule):
    """In exact fractions: rho^2 adds up, and beta is sigma^2 times the pace."""
    alpha_bar, rho2 = Fraction(1), Fraction(0)
    for t, beta in enumerate([Fraction(round(100 * b), 100) for b in BETA.tolist()], 1):
        alpha_bar *= 1 - beta
        before, rho2 = rho2, rho2 + beta / alpha_bar
        assert rho2 == (1 - alpha_bar) / alpha_bar and beta == (1 - alpha_bar) * (1 - before / rho2)
        assert schedule.log_rho[t].item() == pytest.approx(math.log(rho2) / 2, abs=1e-12)
    h, beta = 0.31, [0.02]  # with this beta the next log rho is h higher, every time
    for _ in range(6):
        rho2 = math.exp(2 * (Schedule(torch.tensor(beta, dtype=F64)).log_rho[-1].item() + h))
        beta.append((1 - math.exp(-2 * h)) * rho2 / (1 + rho2))
    paced = Schedule(torch.tensor(beta, dtype=F64)).log_rho[1:]
    torch.testing.assert_close(paced.diff(), torch.full((6,), h, dtype=F64), rtol=0, atol=1e-9)


@pytest.mark.equation("eq-diffusion-marginal", "eq-diffusion-mixture")
def test_marginal_of_uniform_data_and_of_the_mixture(line):
    """Uniform data on [-1, 1] under noise have a density of two distribution functions; the mixture is averaged by Gauss' nodes."""
    a, x = 0.37, 0.4
    by_parts = quad(lambda x0: 0.5 * norm.pdf(x, math.sqrt(a) * x0, math.sqrt(1 - a)), -1, 1, epsabs=1e-13)[0]
    edges = [norm.cdf((x - math.sqrt(a) * end) / math.sqrt(1 - a)) for end in (-1, 1)]
    assert by_parts == pytest.approx((edges[0] - edges[1]) / (2 * math.sqrt(a)), abs=1e-9)
    u, w = np.polynomial.hermite_e.hermegauss(90)
    for a, x in ((0.37, 0.4), (0.82, -1.05), (0.6, 0.9)):
        average = sum(p * (w * norm.pdf(x, math.sqrt(a) * (m + s * u), math.sqrt(1 - a))).sum() for p, m, s in zip(PI, MU, SIGMA, strict=True))
        got = line.log_prob(torch.tensor([[x]], dtype=F64), a).exp().item()
        assert got == pytest.approx(average / math.sqrt(2 * math.pi), abs=1e-9)


@pytest.mark.equation("eq-diffusion-gaussian-end")
def test_end_of_gaussian_data():
    def kl(a, m, v):
        return (a * (v - 1 + m**2) - math.log1p(a * (v - 1))) / 2

    for a, m, v in ((0.37, 1.7, 0.4), (0.82, -0.3, 2.5)):
        x_T = Normal(torch.tensor(math.sqrt(a) * m, dtype=F64), math.sqrt(1 + a * (v - 1)))
        expected = kl_divergence(x_T, Normal(torch.zeros((), dtype=F64), 1.0))
        assert kl(a, m, v) == pytest.approx(expected.item(), abs=1e-12)
    for make, known in ((diffusion.linear, 5.83e-5), (diffusion.cosine, 3.51e-9)):
        assert kl(make(1000).alpha_bar[-1].item(), 1.7, 0.4) == pytest.approx(known, rel=2e-3)
    for m, v in ((1.7, 0.4), (0.0, 2.5)):  # what is left after two terms is of third order
        rest = [kl(a, m, v) - a * m**2 / 2 - a**2 * (v - 1) ** 2 / 4 for a in (0.02, 0.01)]
        assert rest[0] / rest[1] == pytest.approx(8, rel=0.03)


@pytest.mark.equation("eq-diffusion-end-information", "eq-diffusion-end-kl")
def test_end_and_information_of_the_mixture(line):
    a = 0.2
    x0 = torch.linspace(-4, 4, 1201, dtype=F64)
    x = torch.linspace(-7, 7, 1401, dtype=F64)
    p0 = line.log_prob(x0[:, None], 1.0).exp() * (x0[1] - x0[0])
    given = Normal(math.sqrt(a) * x0[:, None], math.sqrt(1 - a)).log_prob(x)  # (x_0, x_T)
    both = p0[:, None] * given.exp() * (x[1] - x[0])
    marginal = (p0[:, None] * given.exp()).sum(0).log()
    information = (both * (given - marginal)).sum()
    ending = (both * (marginal - Normal(0.0, 1.0).log_prob(x))).sum()
    torch.testing.assert_close((p0 * end_kl(x0[:, None], a)).sum(), ending + information, rtol=0, atol=1e-9)
    m, v = 1.7, 0.4  # and for one Gaussian the formula of the information
    normal = MultivariateNormal(torch.zeros(2, dtype=F64), torch.tensor([[v, math.sqrt(a) * v], [math.sqrt(a) * v, a * v + 1 - a]], dtype=F64))
    apart = MultivariateNormal(torch.zeros(2, dtype=F64), normal.covariance_matrix.diag().diag())
    assert kl_divergence(normal, apart).item() == pytest.approx(math.log(1 + v * a / (1 - a)) / 2, abs=1e-12)
    mean_L = (a * (v + m**2) - a - math.log(1 - a)) / 2
    end = (a * (v - 1 + m**2) - math.log1p(a * (v - 1))) / 2
    assert mean_L - end == pytest.approx(kl_divergence(normal, apart).item(), abs=1e-12)


@pytest.mark.equation("eq-diffusion-average")
def test_mean_of_the_entries_by_enumeration(schedule):
    D, m, a = 5, 0.6, schedule.alpha_bar[6]
    coins = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=D)), dtype=F64)
    mean = noised(torch.full((len(coins), D), m, dtype=F64), coins, a).mean(1)
    ratio = mean.mean() ** 2 / mean.var(correction=0)
    assert ratio.item() == pytest.approx((D * m**2 * schedule.snr[6]).item(), abs=1e-9)


@pytest.mark.equation("eq-diffusion-bayes", "eq-diffusion-precision", "eq-diffusion-posterior")
def test_posterior_is_a_condition_of_the_joint_gaussian(schedule):
    """Given x_T and x_0, the pair (x_r, x_T) of the whole path's law; and the density by Bayes' rule, at some points."""
    x0, xt, a = 0.7, -1.2, schedule.alpha_bar
    law = joint(schedule, x0)
    one = torch.ones(1, 1, dtype=F64)
    for t, r in ((4, 3), (2, 1), (7, 6), (6, 2), (7, 1)):
        pair = [r - 1, t - 1]
        precision = torch.linalg.inv(law.covariance_matrix[pair][:, pair])
        mean = law.mean[r - 1] - precision[0, 1] / precision[0, 0] * (xt - law.mean[t - 1])
        got = posterior(x0 * one, xt * one, a[t], a[r])
        assert got[0].item() == pytest.approx(mean.item(), abs=1e-12)
        assert got[1].item() == pytest.approx(1 / precision[0, 0].item(), abs=1e-12)
        beta = 1 - a[t] / a[r]
        A = (1 - beta) / beta + 1 / (1 - a[r])
        B = (1 - beta).sqrt() * xt / beta + a[r].sqrt() * x0 / (1 - a[r])
        assert (B / A).item() == pytest.approx(mean.item(), abs=1e-12) and A.item() == pytest.approx(precision[0, 0].item(), abs=1e-9)
        for x in (-1.1, 0.3):
            above = norm.logpdf(xt, (1 - beta).sqrt() * x, beta.sqrt()) + norm.logpdf(x, a[r].sqrt() * x0, (1 - a[r]).sqrt())
            bayes = above - norm.logpdf(xt, a[t].sqrt() * x0, (1 - a[t]).sqrt())
            assert norm.logpdf(x, got[0].item(), got[1].sqrt().item()) == pytest.approx(bayes, abs=1e-9)


@pytest.mark.equation("eq-diffusion-chain", "eq-diffusion-backwards", "eq-diffusion-step")
def test_joint_density_forwards_and_backwards(schedule):
    x0, a = 0.7, schedule.alpha_bar
    law = joint(schedule, x0)
    for path in law.sample((4,)):
        before = torch.cat([torch.tensor([x0], dtype=F64), path[:-1]])
        forward = Normal((1 - BETA).sqrt() * before, BETA.sqrt()).log_prob(path).sum()
        backward = Normal(a[T].sqrt() * x0, (1 - a[T]).sqrt()).log_prob(path[-1])
        for t in range(2, T + 1):
            mean, variance = posterior(torch.full((1, 1), x0, dtype=F64), path[t - 1].reshape(1, 1), a[t], a[t - 1])
            backward = backward + Normal(mean.squeeze(), variance.squeeze().sqrt()).log_prob(path[t - 2])
        torch.testing.assert_close(forward, law.log_prob(path), rtol=0, atol=1e-9)
        torch.testing.assert_close(backward, law.log_prob(path), rtol=0, atol=1e-9)


def reverse_mixture(x, a, b):
    """Weights, means and variances of q(x_r | x_t = x) on the line, as in the book."""
    beta = 1 - a / b
    found = []
    for p, m, s in zip(PI, MU, SIGMA, strict=True):
        m, tau2 = math.sqrt(b) * m, b * s**2 + 1 - b
        g = (1 - beta) * tau2 + beta
        mean = m + math.sqrt(1 - beta) * tau2 / g * (x - math.sqrt(1 - beta) * m)
        found.append((p * norm.pdf(x, math.sqrt(1 - beta) * m, math.sqrt(g)), mean, beta * tau2 / g))
    total = sum(weight for weight, _, _ in found)
    return [(weight / total, mean, variance) for weight, mean, variance in found]


@pytest.mark.equation("eq-diffusion-true-reverse", "eq-diffusion-reverse-mixture", "eq-diffusion-reverse-moments")
@pytest.mark.parametrize("a, b, x", [(0.37, 0.82, 0.15), (0.2, 0.9, -0.8), (0.55, 0.6, 0.9)])
def test_step_back_without_x0(line, a, b, x):
    """The average of the posteriors over q(x_0 | x_t), by Gauss' nodes in x_0, and its moments with gmlib's denoiser."""
    one, (u, w) = torch.ones(1, 1, dtype=F64), np.polynomial.hermite_e.hermegauss(90)
    x0 = np.concatenate([m + s * u for m, s in zip(MU, SIGMA, strict=True)])
    mass = np.concatenate([p * w for p in PI]) * norm.pdf(x, math.sqrt(a) * x0, math.sqrt(1 - a))
    mass = mass / mass.sum()
    means, variance = posterior(torch.from_numpy(x0)[:, None], x * one.expand(len(x0), 1), a, b)
    means, spread = means[:, 0].numpy(), math.sqrt(variance.item())
    parts = reverse_mixture(x, a, b)
    before = 1 - a / b
    for z in (-1.4, -0.2, 0.75):
        average = (mass * norm.pdf(z, means, spread)).sum()
        formula = sum(r * norm.pdf(z, m, math.sqrt(v)) for r, m, v in parts)
        above = norm.logpdf(x, math.sqrt(1 - before) * z, math.sqrt(before)) + line.log_prob(z * one, b).item()
        assert formula == pytest.approx(average, abs=1e-9)
        assert math.log(formula) == pytest.approx(above - line.log_prob(x * one, a).item(), abs=1e-9)
    mean = sum(r * m for r, m, _ in parts)
    second = sum(r * (v + (m - mean) ** 2) for r, m, v in parts)
    guess = (mass * x0).sum()
    c = math.sqrt(b) * before / (1 - a)
    assert line.denoise(x * one, a).item() == pytest.approx(guess, abs=1e-9)
    assert mean == pytest.approx(posterior(guess * one, x * one, a, b)[0].item(), abs=1e-9)
    assert second == pytest.approx(variance.item() + c**2 * (mass * (x0 - guess) ** 2).sum(), abs=1e-9)


@pytest.mark.equation("eq-diffusion-non-gaussian")
def test_small_steps_back_are_nearly_gaussian():
    """For the logistic law, f' = -tanh(x/2) is uniform on (-1, 1), so the mean of f'''^2 = (1 - f'^2)^2 f'^2 / 4 is 2/105."""
    z, x = torch.linspace(-1, 1, 401, dtype=F64), torch.linspace(-32, 32, 641, dtype=F64)[:, None]
    ratios = []
    for beta in (0.008, 0.004):
        y = x / math.sqrt(1 - beta) + 10 * math.sqrt(beta) * z  # x_{t-1}
        log_prior = -y - 2 * torch.nn.functional.softplus(-y)
        log_both = log_prior + Normal(math.sqrt(1 - beta) * y, math.sqrt(beta)).log_prob(x)
        cell = 10 * math.sqrt(beta) * (z[1] - z[0])
        log_x = log_both.logsumexp(1, keepdim=True) + cell.log()
        p = (log_both - log_x).exp() * cell
        mean = (p * y).sum(1, keepdim=True)
        variance = (p * (y - mean) ** 2).sum(1, keepdim=True)
        kl = (p * (log_both - log_x - Normal(mean, variance.sqrt()).log_prob(y))).sum(1)
        G = (log_x.exp()[:, 0] * kl).sum() * 0.1
        ratios.append(G.item() / (beta**3 / 12 * 2 / 105))
    assert ratios[1] == pytest.approx(1, abs=0.02) and abs(ratios[1] - 1) < 0.6 * abs(ratios[0] - 1)


@pytest.mark.equation("eq-diffusion-many-steps")
def test_divergence_of_paths_by_enumeration():
    """Two chains on four states, run backwards for three steps: all 256 paths."""
    generator = torch.Generator().manual_seed(3)

    def random_law(*shape):
        return torch.rand(*shape, dtype=F64, generator=generator).log().mul(1.5).softmax(-1)

    ends, steps = random_law(2, 4), random_law(2, 3, 4, 4)  # [which, step, from x_t, to x_{t-1}]
    paths = [torch.einsum("a,ab,bc,cd->abcd", end, *step) for end, step in zip(ends, steps, strict=True)]
    whole = (paths[0] * (paths[0] / paths[1]).log()).sum()
    at, total = ends[0], (ends[0] * (ends[0] / ends[1]).log()).sum()
    for t in range(3):
        total = total + (at[:, None] * steps[0, t] * (steps[0, t] / steps[1, t]).log()).sum()
        at = at @ steps[0, t]
    torch.testing.assert_close(whole, total, rtol=0, atol=1e-12)
    last = [path.sum((0, 1, 2)) for path in paths]
    assert 0 < (last[0] * (last[0] / last[1]).log()).sum() < whole
