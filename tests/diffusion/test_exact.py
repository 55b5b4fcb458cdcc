"""The diffused mixture and the exact denoiser: against quadrature, autograd and Bayes' rule, one example at a time."""

import math

import pytest
import torch
from scipy.integrate import quad

from gmlib.diffusion import DiffusedMixture, exact_denoiser
from gmlib.targets import GaussianMixture
from tests.diffusion.conftest import F64, MU, PI, SIGMA

NUMBERS = [  # alpha-bar, x, log p, score, E[x_0 | x], variance of x_0 given x
    (0.37, 0.4, -1.013345, -0.115922, 0.537534, 0.751099),
    (0.37, -0.8, -1.360089, 0.643924, -0.648271, 0.973792),
    (0.82, 0.55, -0.918642, 0.751002, 0.756655, 0.109651),
    (0.82, -1.05, -1.304305, -0.438333, -1.246661, 0.078745),
]


def prior(x0):
    return sum(p * math.exp(-((x0 - m) ** 2) / (2 * s**2)) / (s * math.sqrt(2 * math.pi)) for p, m, s in zip(PI, MU, SIGMA, strict=True))


def moment(a, x, power):
    """The integral of x_0^power p(x_0) q(x | x_0)."""
    def f(x0):
        return x0**power * prior(x0) * math.exp(-((x - math.sqrt(a) * x0) ** 2) / (2 * (1 - a))) / math.sqrt(2 * math.pi * (1 - a))

    return quad(f, -6, 6, points=[-1.3, 0.9], epsabs=1e-13, limit=400)[0]


@pytest.mark.equation("eq-diffusion-mixture", "eq-diffusion-tweedie", "eq-diffusion-tweedie-variance", "eq-diffusion-score")
@pytest.mark.parametrize("a, x, log_p, score, mean, variance", NUMBERS)
def test_the_line_by_quadrature(line, a, x, log_p, score, mean, variance):
    at = torch.tensor([[x]], dtype=F64)
    m0, m1, m2 = (moment(a, x, k) for k in range(3))
    assert line.log_prob(at, a).item() == pytest.approx(math.log(m0), abs=1e-9)
    assert line.denoise(at, a).item() == pytest.approx(m1 / m0, abs=1e-9)
    assert line.score(at, a).item() == pytest.approx((math.sqrt(a) * m1 / m0 - x) / (1 - a), abs=1e-9)
    step = 1e-4  # the variance by the derivative of the score: sigma^2 (1 + sigma^2 s') / alpha-bar
    slope = (line.score(at + step, a) - line.score(at - step, a)).item() / (2 * step)
    assert (1 - a) * (1 + (1 - a) * slope) / a == pytest.approx(m2 / m0 - (m1 / m0) ** 2, abs=1e-6)
    for got, known in ((math.log(m0), log_p), (line.score(at, a).item(), score), (m1 / m0, mean), (m2 / m0 - (m1 / m0) ** 2, variance)):
        assert got == pytest.approx(known, abs=1e-6)


def test_a_batch_of_any_shape_has_an_alpha_bar_each(plane, generator):
    x, a = torch.randn(2, 3, 2, dtype=F64, generator=generator), torch.rand(2, 3, dtype=F64, generator=generator)
    for f in (plane.log_prob, plane.score, plane.denoise):
        alone = torch.stack([f(x[i, j], a[i, j]) for i in range(2) for j in range(3)])
        torch.testing.assert_close(f(x, a).flatten(0, 1), alone, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-mixture")
def test_the_plane_is_a_mixture_with_its_gradient(plane):
    x = torch.randn(6, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    a = torch.tensor([0.03, 0.2, 0.5, 0.71, 0.93, 1.0], dtype=F64)
    for i in range(6):
        torch.testing.assert_close(plane.log_prob(x, a)[i], plane.at(a[i].item()).log_prob(x[i]), rtol=0, atol=1e-9)
    y = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(plane.log_prob(y, a).sum(), y)
    torch.testing.assert_close(plane.score(x, a), gradient, rtol=0, atol=1e-9)
    many = plane.mixture.sample((200_000,), torch.Generator().manual_seed(2))
    noise = torch.randn(many.shape, dtype=F64, generator=torch.Generator().manual_seed(3))
    x = math.sqrt(0.37) * many + math.sqrt(0.63) * noise
    covariance = plane.at(0.37).sample((200_000,), torch.Generator().manual_seed(4)).T.cov()
    torch.testing.assert_close(x.T.cov(), covariance, rtol=0, atol=0.02)


@pytest.mark.equation("eq-diffusion-mixture")
def test_in_space_the_axes_are_turned_back(generator):
    """Three dimensions: on the plane a matrix of eigenvectors may be its own transpose."""
    A = torch.randn(2, 3, 3, generator=generator, dtype=F64)
    mu = torch.randn(2, 3, generator=generator, dtype=F64)
    space = DiffusedMixture(GaussianMixture(torch.tensor([0.4, 0.6], dtype=F64), mu, A @ A.mT))
    x = torch.randn(5, 3, generator=generator, dtype=F64).requires_grad_()
    (gradient,) = torch.autograd.grad(space.at(0.41).log_prob(x).sum(), x)
    torch.testing.assert_close(space.score(x.detach(), 0.41), gradient, rtol=0, atol=1e-9)
    torch.testing.assert_close(space.log_prob(x.detach(), 0.41), space.at(0.41).log_prob(x.detach()), rtol=0, atol=1e-9)


@pytest.mark.equation("eq-diffusion-exact-denoiser")
def test_exact_denoiser_is_bayes_rule(generator):
    data, x = torch.randn(7, 3, generator=generator, dtype=F64), torch.randn(4, 3, generator=generator, dtype=F64)
    a = torch.tensor([0.2, 0.45, 0.8, 0.97], dtype=F64)
    got = exact_denoiser(x, data, a)
    for m in range(4):
        w = [math.exp(-((x[m] - math.sqrt(a[m]) * data[n]) ** 2).sum().item() / (2 * (1 - a[m].item()))) for n in range(7)]
        expected = sum(w[n] * data[n] for n in range(7)) / sum(w)
        torch.testing.assert_close(got[m], expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(exact_denoiser(x[1:2], data, 0.45), got[1:2], rtol=0, atol=1e-12)
    torch.testing.assert_close(exact_denoiser(x + 0.001, data, 1 - 1e-7), data[torch.cdist(x, data).argmin(1)], rtol=0, atol=1e-6)


def test_exact_denoiser_in_float32_far_from_zero(generator):
    data, x = 100 + torch.randn(7, 3, generator=generator), 70 + torch.randn(4, 3, generator=generator)
    a = 0.5
    torch.testing.assert_close(exact_denoiser(x, data, a).double(), exact_denoiser(x.double(), data.double(), a), rtol=0, atol=1e-2)


ZERO = torch.zeros(2, 1, dtype=F64)


def diffused():
    return DiffusedMixture(GaussianMixture(torch.ones(1, dtype=F64), ZERO[:1], torch.ones(1, 1, 1, dtype=F64)))


CASES = {
    "alpha_bar must be in [0, 1]": lambda: diffused().score(ZERO, 1.2),
    "alpha_bar must be in [0, 1], got -0.1": lambda: diffused().at(-0.1),
    "x must have shape (..., 1), got (2, 3)": lambda: diffused().log_prob(torch.zeros(2, 3, dtype=F64), 0.5),
    "x must have shape (..., 1), got (2, 4)": lambda: diffused().denoise(torch.zeros(2, 4, dtype=F64), 0.5),
    "x must have shape (..., 2), got (2, 3)": lambda: exact_denoiser(torch.zeros(2, 3), torch.zeros(4, 2), 0.5),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
