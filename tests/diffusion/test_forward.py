"""The chain in closed form, its posterior and its schedules: against the iterated chain, Bayes' rule on a grid, and the papers."""

import math

import pytest
import torch

from gmlib import diffusion
from gmlib.diffusion import Schedule, noised, posterior
from tests.diffusion.conftest import BETA, F64


@pytest.mark.equation("eq-diffusion-closed", "eq-diffusion-step")
def test_closed_form_is_the_iterated_chain(schedule):
    """Mean and variance after t steps, added up one step at a time."""
    x0, mean, variance = torch.tensor([[0.7], [-1.9]], dtype=F64), torch.tensor([[0.7], [-1.9]], dtype=F64), 0.0
    for t, beta in enumerate(BETA.tolist(), 1):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        a = schedule.alpha_bar[t]
        torch.testing.assert_close(noised(x0, torch.zeros_like(x0), a), mean, rtol=0, atol=1e-12)
        spread = noised(x0, torch.ones_like(x0), a) - mean
        torch.testing.assert_close(spread.square(), torch.full_like(x0, variance), rtol=0, atol=1e-12)


def test_each_example_has_its_own_time(schedule):
    x0, eps = torch.randn(3, 2, 4, dtype=F64), torch.randn(3, 2, 4, dtype=F64)
    t = torch.tensor([5, 2, 7])
    together = noised(x0, eps, schedule.alpha_bar[t])
    for i in range(3):
        alone = noised(x0[i : i + 1], eps[i : i + 1], schedule.alpha_bar[t[i]].item())
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-posterior")
@pytest.mark.parametrize("t, r", [(4, 3), (2, 1), (7, 6), (6, 2)])
def test_posterior_by_bayes_on_a_grid(schedule, t, r):
    """q(x_r | x_0) times q(x_t | x_r), normalised by a sum; r = t - 1 is a step, and (6, 2) a jump of four."""
    x0, xt = 0.7, -1.2
    a, b = schedule.alpha_bar[t].item(), schedule.alpha_bar[r].item()
    grid = torch.linspace(-8, 8, 200_001, dtype=F64)
    log_p = -(grid - math.sqrt(b) * x0).square() / (2 * (1 - b)) - (xt - math.sqrt(a / b) * grid).square() / (2 * (1 - a / b))
    w = (log_p - log_p.logsumexp(0)).exp()
    mean, variance = posterior(torch.full((1, 1), x0, dtype=F64), torch.full((1, 1), xt, dtype=F64), a, b)
    assert mean.item() == pytest.approx((w * grid).sum().item(), abs=1e-9)
    assert variance.item() == pytest.approx((w * (grid - mean.item()).square()).sum().item(), abs=1e-9)
    if t - r == 1:
        assert variance.item() == pytest.approx(schedule.beta_tilde[t].item(), abs=1e-12)


def test_last_step_is_x0(schedule):
    x0, x = torch.tensor([[0.7]], dtype=F64), torch.tensor([[-1.2]], dtype=F64)
    mean, variance = posterior(x0, x, schedule.alpha_bar[3], schedule.alpha_bar[0])
    assert torch.equal(mean, x0) and variance.item() == 0 == schedule.beta_tilde[1]


@pytest.mark.equation("eq-diffusion-snr")
def test_tables(schedule):
    product = 1.0
    for t, beta in enumerate(BETA.tolist(), 1):
        product *= 1 - beta
        assert schedule.snr[t].item() == pytest.approx(product / (1 - product), abs=1e-12)
        assert schedule.log_rho[t].exp().item() ** 2 == pytest.approx((1 - product) / product, abs=1e-12)
    assert schedule.T == 7 and schedule.alpha_bar[0] == 1 and schedule.beta[0] == 0
    assert Schedule(BETA.float()).alpha_bar.dtype == F64


def test_time_is_the_inverse_of_the_table(schedule):
    t = torch.arange(1.0, 8, dtype=F64)
    torch.testing.assert_close(schedule.time(schedule.log_rho[1:]), t, rtol=0, atol=1e-12)
    between = schedule.time((schedule.log_rho[3] + 3 * schedule.log_rho[4])[None] / 4)
    assert between.item() == pytest.approx(3.75, abs=1e-12)
    ends = schedule.time(torch.tensor([-50.0, 50.0], dtype=F64))
    assert ends.tolist() == [1.0, 7.0] and Schedule(BETA[:1]).time(torch.zeros(2)).tolist() == [1, 1]


@pytest.mark.equation("eq-diffusion-linear", "eq-diffusion-cosine")
def test_schedules_of_the_papers():
    linear, cosine = diffusion.linear(1000), diffusion.cosine(1000)
    assert linear.beta[1].item() == 1e-4 and linear.beta[1000].item() == pytest.approx(0.02, abs=1e-15)
    log = sum(math.log1p(-(1e-4 + (0.02 - 1e-4) * i / 999)) for i in range(1000))
    assert linear.alpha_bar[1000].item() == pytest.approx(math.exp(log), rel=1e-12)
    for t in (1, 123, 700):
        f = [math.cos((u / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for u in (t, 0)]
        assert cosine.alpha_bar[t].item() == pytest.approx(f[0] / f[1], rel=1e-12)
    assert cosine.beta[1000] == 0.999 and (cosine.beta <= 0.999).all()
    assert diffusion.cosine(1000, largest=0.5).beta.max() == 0.5


ONE = torch.zeros(2, 1)
CASES = {
    "beta must have shape (T,) and lie in (0, 1)": lambda: Schedule(torch.tensor([0.1, 1.0])),
    "T must be a whole number of at least 1, got 0": lambda: diffusion.linear(0),
    "beta must have shape (T,)": lambda: diffusion.linear(5, first=0.0),
    "s must be at least 0 and largest in (0, 1), got -0.1": lambda: diffusion.cosine(5, s=-0.1),
    "s must be at least 0 and largest in (0, 1), got 0.008 and 1.0": lambda: diffusion.cosine(5, largest=1.0),
    "eps must have shape (..., 2, 1), got (2, 3)": lambda: noised(ONE, torch.zeros(2, 3), 0.5),
    "x0 must be a floating-point tensor": lambda: noised(ONE.long(), ONE, 0.5),
    "x must have shape (..., 2, 1), got (3, 1)": lambda: posterior(ONE, torch.zeros(3, 1), 0.5, 0.7),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
