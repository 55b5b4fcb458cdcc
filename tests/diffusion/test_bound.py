"""The terms of the bound: against torch's divergences, enumeration of the bins, and a network whose bound is known exactly."""

import math

import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from gmlib import diffusion
from gmlib.diffusion import DATA, NOISE, VELOCITY, Diffusion, Schedule, noised, posterior
from tests.diffusion.conftest import BETA, F64


@pytest.mark.equation("eq-diffusion-end-kl")
def test_end_kl(schedule):
    x0 = torch.tensor([[0.7, -1.2, 0.4], [2.0, 0.1, -0.3]], dtype=F64)
    for a in (schedule.alpha_bar[7].item(), 4e-5):
        q = Normal(math.sqrt(a) * x0, math.sqrt(1 - a))
        expected = kl_divergence(q, Normal(torch.zeros_like(x0), 1.0)).sum(1)
        torch.testing.assert_close(diffusion.end_kl(x0, a), expected, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-step-kl")
def test_step_kl_is_the_divergence_of_two_gaussians(schedule):
    x0, guess, x = (torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(i)) for i in range(3))
    t = 4
    a, b, s2 = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], torch.tensor(0.151, dtype=F64)
    mean, variance = posterior(x0, x, a, b)
    of_model, _ = posterior(guess, x, a, b)
    eye = torch.eye(3, dtype=F64)
    expected = kl_divergence(MultivariateNormal(mean, variance * eye), MultivariateNormal(of_model, s2 * eye))
    c = diffusion.weight_of_x0(schedule)[t]
    got = diffusion.step_kl((x0 - guess).square().sum(1), s2, schedule.beta_tilde[t], c, D=3)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-noise-weight", "eq-diffusion-parameterisations")
def test_weight_of_the_noise_error(schedule):
    """The mean's square error over twice the variance, with x_0 taken from a wrong noise."""
    x0, eps = torch.tensor([[0.7]], dtype=F64), torch.tensor([[0.4]], dtype=F64)
    wrong, s2 = eps + 0.37, schedule.beta_tilde
    weight = diffusion.noise_weight(schedule, torch.cat([s2[:1], torch.full((1,), 0.05, dtype=F64), s2[2:]]))
    for t in (2, 4, 7):
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
        x = noised(x0, eps, a)
        means = [posterior(NOISE.x0(e, x, a), x, a, b)[0] for e in (eps, wrong)]
        expected = (means[0] - means[1]).square() / (2 * s2[t])
        assert expected.item() == pytest.approx(weight[t].item() * 0.37**2, rel=1e-10)
    assert weight[0] == 0


@pytest.mark.equation("eq-diffusion-parameterisations")
@pytest.mark.parametrize("kind", [NOISE, DATA, VELOCITY])
def test_each_parameterisation_gives_back_x0(kind, schedule):
    x0, eps = torch.randn(5, 3, dtype=F64), torch.randn(5, 3, dtype=F64)
    a = schedule.alpha_bar[torch.tensor([1, 3, 4, 6, 7])]
    x = noised(x0, eps, a)
    torch.testing.assert_close(kind.x0(kind.target(x0, eps, a), x, a), x0, rtol=0, atol=1e-12)
    torch.testing.assert_close(diffusion.noise_from_x0(x0, x, a), eps, rtol=0, atol=1e-12)


def test_velocity_is_the_derivative_by_the_angle():
    """With alpha-bar = cos^2 w, v is dx_t / dw (Salimans and Ho 2022)."""
    x0, eps, w = torch.tensor([[0.7]], dtype=F64), torch.tensor([[0.4]], dtype=F64), torch.tensor(0.6, dtype=F64)
    d = torch.autograd.functional.jvp(lambda w: w.cos() * x0 + w.sin() * eps, w, torch.ones_like(w))[1]
    torch.testing.assert_close(VELOCITY.target(x0, eps, w.cos().square()), d, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-best-variance")
def test_best_variance_makes_the_term_least(schedule):
    mse = torch.linspace(0.03, 0.5, 8, dtype=F64)
    best, c = diffusion.best_variance(mse, schedule), diffusion.weight_of_x0(schedule)
    for t in (2, 5):
        def term(s2, t=t):
            return diffusion.step_kl(3 * mse[t], torch.as_tensor(s2), schedule.beta_tilde[t], c[t], D=3).item()

        assert all(term(best[t]) < term(k * best[t]) for k in (0.97, 1.03))
    assert best[0] == 0 and best[1].item() == pytest.approx(mse[1].item(), abs=1e-12)


@pytest.mark.equation("eq-diffusion-decoder")
@pytest.mark.parametrize("mean, std", [(0.3, 0.4), (-0.97, 0.05), (3.0, 0.2), (0.11, 0.008)])
def test_bins(mean, std):
    """Differences of the distribution function, the outer bins open; they sum to one."""
    levels = torch.linspace(-1, 1, 17, dtype=F64)
    log_p = diffusion.binned_log_prob(levels, torch.full((17,), mean, dtype=F64), std, width=2 / 16)
    edges = torch.tensor([-math.inf, *((levels[1:] + levels[:-1]) / 2).tolist(), math.inf], dtype=F64)
    expected = torch.as_tensor(norm.cdf(edges.numpy(), mean, std)).diff()
    torch.testing.assert_close(log_p.exp(), expected, rtol=0, atol=1e-12)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_bins_far_in_the_tail_are_finite_with_their_gradient():
    x, mean = torch.tensor([-1.0, 1.0, 0.0]), torch.tensor([1.0, -1.0, 0.9], requires_grad=True)
    log_p = diffusion.binned_log_prob(x, mean, 0.01, width=2 / 16)
    log_p.sum().backward()
    assert log_p.isfinite().all() and mean.grad.isfinite().all() and (log_p < -1000).all()
    assert mean.grad.sign().tolist() == [-1, 1, -1]


class Shrink(nn.Module):
    """Predicts x_0 as k x_t; for data N(0, v) everything about it is a Gaussian integral."""

    def __init__(self, k):
        super().__init__()
        self.k = nn.Parameter(torch.as_tensor(k, dtype=F64))

    def forward(self, x, t, y=None):
        return self.k * x


@pytest.mark.equation("eq-diffusion-bound", "eq-diffusion-elbo")
def test_bound_of_a_linear_model(schedule, generator):
    """The mean over data and noise, by hand; the sum of all terms and the one random term have this mean."""
    v, k = 0.6, 0.8
    model = Diffusion(Shrink(k), schedule, (2,), DATA)
    c, beta, tilde, a = (torch.clone(u) for u in (diffusion.weight_of_x0(schedule), schedule.beta, schedule.beta_tilde, schedule.alpha_bar))
    expected = 0.0
    for t in range(1, 8):
        mse = v * (1 - k * math.sqrt(a[t])) ** 2 + k**2 * (1 - a[t].item())
        if t == 1:
            expected += 2 * (mse / (2 * beta[1]) + 0.5 * math.log(2 * math.pi * beta[1]))
        else:
            expected += 2 * (0.5 * (beta[t] / tilde[t]).log() + (tilde[t] + c[t] ** 2 * mse) / (2 * beta[t]) - 0.5)
    expected += 2 * 0.5 * (a[7] * v - a[7] - (1 - a[7]).log())
    x0 = math.sqrt(v) * torch.randn(40_000, 2, generator=generator, dtype=F64)
    sums, draws = model.elbo_terms(x0, generator).sum(1), model.elbo(x0, 3, generator).detach()
    assert -expected.item() == pytest.approx(-sums.mean().item(), abs=5 * sums.std().item() / 200)
    assert -expected.item() == pytest.approx(draws.mean().item(), abs=5 * draws.std().item() / 200)
    assert sums.std() / 200 < 0.02 and draws.std() / 200 < 0.07  # sharp enough to see a term that is missing


@pytest.mark.equation("eq-diffusion-bound")
def test_bound_is_exact_where_the_reverse_chain_is(generator):
    """Data N(0, v): with the best denoiser and the true variances the chain's law is known, and the gap is what D_KL says."""
    v, T = 0.6, 7
    schedule = Schedule(BETA)
    a = schedule.alpha_bar

    class Best(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1, dtype=F64))

        def forward(self, x, t, y=None):
            at = a[(t * T).round().long()][:, None]
            return at.sqrt() * v / (at * v + 1 - at) * x

    mmse = v * (1 - a) / (a * v + 1 - a)
    s2 = diffusion.best_variance(mmse, schedule)
    model = Diffusion(Best(), schedule, (1,), DATA, s2=s2)
    var = 1.0  # of the model's x_t, from T down
    for t in range(T, 0, -1):
        gain = a[t].sqrt() * v / (a[t] * v + 1 - a[t])
        of_x0, of_x = diffusion.weight_of_x0(schedule)[t], ((1 - schedule.beta[t]).sqrt() * (1 - a[t - 1]) / (1 - a[t]))
        var = (of_x0 * gain + of_x) ** 2 * var + s2[t]
    x0 = math.sqrt(v) * torch.randn(20_000, 1, generator=generator, dtype=F64)
    bound = -model.elbo_terms(x0, generator).sum(1)
    log_p = Normal(0, var.sqrt().item()).log_prob(x0)[:, 0]
    gap = log_p - bound
    joint_gap = diffusion.end_kl(torch.full((1, 1), math.sqrt(v), dtype=F64), a[7]).item()  # E over x_0 of a quadratic
    marginal = 0.5 * (a[7] * v + 1 - a[7] - 1 - (a[7] * v + 1 - a[7]).log()).item()  # KL(q(x_T) || N): the chain's own gap
    assert gap.mean().item() == pytest.approx(marginal - (log_p - Normal(0, math.sqrt(v)).log_prob(x0)[:, 0]).mean().abs().item(), abs=0.02)
    assert joint_gap > marginal


def test_levels(schedule, generator):
    """With levels the first term is the decoder's, and the model's mass over all levels of one pixel is at most one."""
    model = Diffusion(Shrink(0.7), schedule, (1,), DATA, levels=5, clip=1.0)
    x0 = torch.linspace(-1, 1, 5, dtype=F64)[:, None]
    bounds = torch.stack([-model.elbo_terms(x0.repeat(2000, 1), generator).sum(1).view(2000, 5).mean(0)])
    assert bounds.exp().sum() < 1.001
    t = torch.ones(5, dtype=torch.long)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(5), dtype=F64)
    guess = (0.7 * noised(x0, eps, schedule.alpha_bar[1])).clamp(-1, 1)
    expected = -diffusion.binned_log_prob(x0, guess, schedule.beta[1].sqrt().item(), 2 / 4)[:, 0]
    torch.testing.assert_close(model.term(x0, t, torch.Generator().manual_seed(5)).detach(), expected, rtol=0, atol=1e-12)


X = torch.zeros(2, 1)


def small(D=1, **options):
    return Diffusion(Shrink(1.0), Schedule(BETA), (D,), DATA, **options)


CASES = {
    "s2 must have shape (..., 8), got (3,)": lambda: diffusion.noise_weight(Schedule(BETA), torch.ones(3)),
    "mse must have shape (..., 8), got (3,)": lambda: diffusion.best_variance(torch.ones(3), Schedule(BETA)),
    "width must be positive and finite, got 0.0": lambda: diffusion.binned_log_prob(X, X, 0.1, 0.0),
    "std must be positive and finite, got -0.1": lambda: diffusion.binned_log_prob(X, X, -0.1, 0.1),
    "x must lie in [-1, 1], got 2.0 to 2.0": lambda: diffusion.binned_log_prob(X + 2, X, 0.1, 0.1),
    "mean must have shape (..., 2, 1), got (3, 1)": lambda: diffusion.binned_log_prob(X, torch.zeros(3, 1), 0.1, 0.1),
    "x0 holds 2 NaN": lambda: diffusion.end_kl(X * torch.nan, 0.1),
    "s2 must have shape (..., 8), got (5,)": lambda: small(s2=torch.ones(5)),
    "x0 must have shape (..., 3), got (2, 1)": lambda: small(3).elbo(X.double()),
    "x0 must have shape (..., 4), got (2, 1)": lambda: small(4).elbo_terms(X.double()),
    "num_samples must be a whole number of at least 1, got 0": lambda: small().elbo(X.double(), 0),
    "x0 must have shape (..., 5), got (2, 1)": lambda: small(5).mse(X.double()),
    "x0 must have shape (..., 6), got (2, 1)": lambda: small(6).loss(X.double()),
    "x0 must have shape (..., 7), got (2, 1)": lambda: small(7).estimate_log_prob(X.double()),
    "t must be from 1 to 7, got 0": lambda: small().denoise(X.double(), 0),
    "t must be from 1 to 7, got 8": lambda: small().score(X.double(), 8),
    "steps must be at most T = 7, got 9": lambda: small().sample((2,), steps=9),
    "y must have shape (2,), got (3,)": lambda: small().sample((2,), y=torch.ones(3)),
    "class_loss needs a network with classes": lambda: diffusion.class_loss(small(), X.double()),
    "x0 must have shape (..., 2), got (2, 0)": lambda: diffusion.simple_loss(small(2), X.double()[:, :0]),
    "x must have shape (N, D) and y (N,), got (2, 1) and (3,)": lambda: diffusion.labelled(X, torch.ones(3)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
