"""Samplers against laws that are known: the chain of a Gaussian, Langevin's variance, the flow and the reverse equation of a mixture."""

import math

import pytest
import torch

from gmlib import diffusion
from gmlib.diffusion import Schedule, ancestral, flow_field, flow_log_prob, langevin, reverse_sde, spaced, step_beta, step_beta_tilde
from gmlib.ode import integrate
from tests.diffusion.conftest import BETA, F64


def best_for(v, schedule):
    """The exact denoiser of data N(0, v)."""
    return lambda x, t: (schedule.alpha_bar[t].sqrt() * v / (schedule.alpha_bar[t] * v + 1 - schedule.alpha_bar[t])).to(x) * x


@pytest.mark.equation("eq-diffusion-ancestral")
@pytest.mark.parametrize("variance", [step_beta, step_beta_tilde])
@pytest.mark.parametrize("times", [None, [7, 5, 2, 0]])
def test_ancestral_variance_of_a_gaussian(schedule, variance, times, generator):
    """Each step is linear, so the variance follows from Bayes' rule in one dimension, with numbers only."""
    v, var = 2.3, 1.0
    steps = times or list(range(7, -1, -1))
    a = schedule.alpha_bar.tolist()
    for t, r in zip(steps, steps[1:], strict=False):
        gain = math.sqrt(a[t]) * v / (a[t] * v + 1 - a[t])
        jump = a[t] / a[r]
        mean = (math.sqrt(jump) * (1 - a[r]) + math.sqrt(a[r]) * (1 - jump) * gain) / (1 - a[t])
        noise = (1 - jump) * ((1 - a[r]) / (1 - a[t]) if variance is step_beta_tilde else 1) if r else 0
        var = mean**2 * var + noise
    x = torch.randn(200_000, 1, generator=generator, dtype=F64)
    out = ancestral(best_for(v, schedule), schedule, x, times, variance, generator)
    assert out.var().item() == pytest.approx(var, rel=5 * math.sqrt(2 / 200_000))


def test_many_small_steps_give_the_mixture(line, generator):
    schedule = diffusion.cosine(200)
    x = torch.randn(20_000, 1, generator=generator, dtype=F64)
    out = ancestral(lambda x, t: line.denoise(x, schedule.alpha_bar[t].item()), schedule, x, generator=generator)
    assert out.mean().item() == pytest.approx(0.13, abs=0.03) and out.var().item() == pytest.approx(1.264225, rel=0.03)
    assert (out < -0.3).double().mean().item() == pytest.approx(0.35, abs=0.015)


def test_spaced():
    assert spaced(7, 7) == [7, 6, 5, 4, 3, 2, 1, 0] and spaced(7, 1) == [7, 0] and spaced(7, 3) == [7, 5, 2, 0]


@pytest.mark.equation("eq-diffusion-langevin", "eq-diffusion-langevin-variance")
@pytest.mark.parametrize("v, h, expected", [(0.7, 0.2, 0.816667), (1.6, 0.5, 1.896296)])
def test_langevin_variance(v, h, expected, generator):
    out = langevin(lambda x: -x / v, torch.zeros(100_000, 1, dtype=F64), h, 60, generator)
    assert v / (1 - h / (2 * v)) == pytest.approx(expected, abs=1e-6)
    assert out.var().item() == pytest.approx(expected, rel=5 * math.sqrt(2 / 100_000))


def timed(mixture):
    return lambda x, log_rho: mixture.score(x, 1 - diffusion.noise_variance(log_rho))


@pytest.mark.equation("eq-diffusion-flow")
def test_flow_keeps_the_law_of_a_gaussian():
    """For N(0, v) the flow is a scaling by the ratio of the standard deviations at the two times."""
    v, start, end = 0.4, -1.3, 0.9
    def sd(log_rho):
        a = 1 / (1 + math.exp(2 * log_rho))
        return math.sqrt(a * v + 1 - a)

    def score(x, log_rho):
        a = 1 / (1 + (2 * log_rho).exp())
        return -x / (a * v + 1 - a)

    x = torch.tensor([[0.7], [-1.9]], dtype=F64)
    z, _ = integrate(flow_field(score), x, start, end, 200)
    torch.testing.assert_close(z, x * sd(end) / sd(start), rtol=0, atol=1e-9)


@pytest.mark.equation("eq-diffusion-flow-likelihood", "eq-diffusion-flow")
def test_flow_likelihood_of_the_mixture(line):
    x = torch.tensor([[-1.05], [0.55], [0.1]], dtype=F64)
    start, end = math.log(1e-3), math.log(1e4)
    values = []
    with torch.no_grad():
        for steps in (40, 100):
            values.append(flow_log_prob(timed(line), x, start, end, steps))
    exact = line.log_prob(x, 1 / (1 + 1e-6))
    errors = [(v - exact).abs().max().item() for v in values]
    assert errors[1] < 2e-5 and errors[1] < errors[0] / 8
    assert line.log_prob(x[:1], 1.0).item() == pytest.approx(-1.111864, abs=1e-6)


def test_flow_likelihood_on_the_plane(plane):
    x = torch.randn(5, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        value = flow_log_prob(timed(plane), x, math.log(1e-3), math.log(1e4), 120)
    torch.testing.assert_close(value, plane.log_prob(x, 1 / (1 + 1e-6)), rtol=0, atol=2e-4)


@pytest.mark.equation("eq-diffusion-reverse-sde", "eq-diffusion-sde")
def test_reverse_equation_gives_the_mixture(line, generator):
    end = math.log(100.0)
    x = torch.randn(20_000, 1, generator=generator, dtype=F64)
    out = reverse_sde(timed(line), x, math.log(1e-2), end, 300, generator)
    assert out.mean().item() == pytest.approx(0.13, abs=0.03) and out.var().item() == pytest.approx(1.264225, rel=0.03)
    assert (out < -0.3).double().mean().item() == pytest.approx(0.35, abs=0.015)


def test_last_step_of_the_reverse_equation_adds_no_noise(generator):
    x = torch.zeros(5, 1)
    assert torch.equal(reverse_sde(lambda x, log_rho: -x, x, -3.0, 1.0, 1, generator), x)


X = torch.zeros(2, 1)
CASES = {
    "times must fall from at most 7 to 0, got [3, 3, 0]": lambda: ancestral(lambda x, t: x, Schedule(BETA), X, [3, 3, 0]),
    "times must fall from at most 7 to 0, got [3, 1]": lambda: ancestral(lambda x, t: x, Schedule(BETA), X, [3, 1]),
    "times must fall from at most 7 to 0, got [8, 0]": lambda: ancestral(lambda x, t: x, Schedule(BETA), X, [8, 0]),
    "steps must be at most T = 7, got 8": lambda: spaced(7, 8),
    "h must be positive and finite, got -0.1": lambda: langevin(lambda x: -x, X, -0.1, 3),
    "steps must be a whole number of at least 1, got 0": lambda: langevin(lambda x: -x, X, 0.1, 0),
    "end must be above start, got 1.0 and 1.0": lambda: flow_log_prob(lambda x, r: -x, X, 1.0, 1.0, 3),
    "end must be above start, got 0.0 and 1.0": lambda: reverse_sde(lambda x, r: -x, X, 1.0, 0.0, 3),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
