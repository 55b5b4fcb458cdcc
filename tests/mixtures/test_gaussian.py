"""One Gaussian against NumPy, scipy, quadrature and Bayes' rule; missing values against loops over examples and autograd."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from gmlib.data import digits
from gmlib.mixtures import condition, em_missing, fit_gaussian, marginal
from gmlib.targets import Gaussian
from tests.mixtures.conftest import EXACT, F64, covariances

NAN = math.nan


def gaussian(D, generator):
    return Gaussian(torch.randn(D, generator=generator, dtype=F64), covariances(D=D, generator=generator))


def scipy_law(g):
    return scipy.stats.multivariate_normal(g.mu.numpy(), g.Sigma.numpy())


@pytest.mark.equation("eq-mixtures-mle")
def test_largest_likelihood(generator):
    """NumPy's moments; and the gradient of the likelihood, by autograd in the mean and the precision's square root, is zero."""
    x = 5 + torch.randn(13, 3, generator=generator, dtype=F64) @ covariances(D=3, generator=generator)
    g = fit_gaussian(x)
    torch.testing.assert_close(g.mu, torch.from_numpy(np.mean(x.numpy(), 0)), **EXACT)
    torch.testing.assert_close(g.Sigma, torch.from_numpy(np.cov(x.numpy().T, bias=True)), **EXACT)
    mu, A = g.mu.clone().requires_grad_(), torch.linalg.inv(torch.linalg.cholesky(g.Sigma)).requires_grad_()
    log_lik = 13 * torch.linalg.slogdet(A)[1] - ((x - mu) @ A.T).square().sum() / 2
    for gradient in torch.autograd.grad(log_lik, (mu, A)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), **EXACT)


def test_float32_far_from_zero():
    g = fit_gaussian(10_000 + torch.tensor([[0.0], [1.0], [2.0]]))
    assert g.mu.item() == 10_001 and g.Sigma.item() == pytest.approx(2 / 3, rel=1e-6)


def test_density_from_a_precision():
    """((2, 1), (1, 2)) has the determinant 3: -log 2 pi + log(3) / 2."""
    g = Gaussian(torch.tensor([0.3, -2.0], dtype=F64), torch.linalg.inv(torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=F64)))
    assert g.log_prob(g.mu).item() == pytest.approx(-1.288571, abs=1e-6) == -math.log(2 * math.pi) + math.log(3) / 2


def test_no_largest_likelihood():
    """N examples span N - 1 dimensions at most; and of the training digits four pixels never change."""
    x = digits(dtype=F64).train.x
    assert (x.std(0) == 0).sum() == 4
    for few, rank in ((x, 60), (x[:40], 39)):
        with pytest.raises(ValueError, match=f"x spans {rank} of its 64 dimensions"):
            fit_gaussian(few)


@pytest.mark.equation("eq-mixtures-marginal")
def test_marginal_by_quadrature(generator):
    """The density of entries 2 and 0, in this order, with entry 1 integrated out."""
    g = gaussian(3, generator)
    two, x = marginal(g, [2, 0]), torch.tensor([0.4, -1.1], dtype=F64)
    density = scipy.integrate.quad(lambda v: scipy_law(g).pdf([x[1], v, x[0]]), -30, 30, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
    assert two.log_prob(x).item() == pytest.approx(math.log(density), abs=1e-10)
    assert two.mu.tolist() == [g.mu[2], g.mu[0]] and two.Sigma[0, 1] == g.Sigma[2, 0]


@pytest.mark.equation("eq-mixtures-condition")
@pytest.mark.parametrize("known", [(2,), (0, 3), (3, 1), (4, 0, 2)])
def test_condition_by_bayes(known, generator):
    """At several points: the joint density over that of what is known, both by scipy; the values in the order of `known`."""
    g = gaussian(5, generator)
    values, rest = torch.randn(len(known), generator=generator, dtype=F64), [i for i in range(5) if i not in known]
    given = condition(g, known, values)
    below = scipy.stats.multivariate_normal(g.mu.numpy()[list(known)], g.Sigma.numpy()[np.ix_(known, known)])
    for _ in range(4):
        x = torch.empty(5, dtype=F64)
        x[list(known)], x[rest] = values, 2 * torch.randn(len(rest), generator=generator, dtype=F64)
        expected = scipy_law(g).logpdf(x.numpy()) - below.logpdf(values.numpy())
        assert given.log_prob(x[rest]).item() == pytest.approx(expected, abs=1e-10)
    assert torch.equal(given.Sigma, given.Sigma.mT)


def test_condition_in_numbers():
    g = Gaussian(
        torch.tensor([0.4, -0.7, 1.1], dtype=F64),
        torch.tensor([[1.3, 0.4, 0.5], [0.4, 0.9, -0.3], [0.5, -0.3, 1.6]], dtype=F64),
    )
    given = condition(g, [2], torch.tensor([0.8], dtype=F64))
    assert given.mu.tolist() == pytest.approx([0.306250, -0.643750], abs=1e-9)
    assert given.Sigma.flatten().tolist() == pytest.approx([1.143750, 0.493750, 0.493750, 0.843750], abs=1e-9)
    assert g.log_prob(torch.tensor([0.1, 0.2, 0.8], dtype=F64)).item() == pytest.approx(
        (given.log_prob(torch.tensor([0.1, 0.2], dtype=F64)) + marginal(g, [2]).log_prob(torch.tensor([0.8], dtype=F64))).item(), abs=1e-12
    )


# Missing values.


def with_holes(N, generator):
    """Three entries that depend on each other; the last is missing where the first is large, the second by chance."""
    A = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.5, 0.4, 0.9]], dtype=F64)
    x = torch.tensor([1.0, -2.0, 0.5], dtype=F64) + torch.randn(N, 3, generator=generator, dtype=F64) @ A.T
    u = torch.rand(2, N, generator=generator, dtype=F64)
    holes = x.clone()
    holes[u[0] < torch.sigmoid(2 * (x[:, 0] - 1)), 2] = NAN
    holes[u[1] < 0.2, 1] = NAN
    return x, holes


def observed(x, mu, Sigma):
    """The mean log-density of what was observed, row by row."""
    total = 0
    for row in x:
        o = torch.nonzero(~row.isnan())[:, 0]
        d, S = row[o] - mu[o], Sigma[o][:, o]
        total = total - 0.5 * (d @ torch.linalg.inv(S) @ d + torch.logdet(S) + len(o) * math.log(2 * math.pi))
    return total / len(x)


def one_step(x, mu, Sigma):
    """Row by row, with the conditional law read off the precision matrix; then the expected moments."""
    first, second = torch.zeros(3, dtype=F64), torch.zeros(3, 3, dtype=F64)
    P = torch.linalg.inv(Sigma)
    for row in x:
        m, o = row.isnan(), ~row.isnan()
        mean, cov = row.clone(), torch.zeros(3, 3, dtype=F64)
        if m.any():
            left = torch.linalg.inv(P[m][:, m])
            mean[m] = mu[m] - left @ P[m][:, o] @ (row[o] - mu[o])
            cov[torch.outer(m, m)] = left.flatten()
        first, second = first + mean / len(x), second + (torch.outer(mean, mean) + cov) / len(x)
    return first, second - torch.outer(first, first)


@pytest.mark.equation("eq-mixtures-missing")
def test_steps_with_missing_values_by_loops(generator):
    _, x = with_holes(40, generator)
    steps = list(em_missing(x, 4))
    mu = torch.stack([c[~c.isnan()].mean() for c in x.T])
    Sigma = torch.diag(torch.stack([c[~c.isnan()].var(correction=0) for c in x.T]))
    for step in steps:
        law = scipy.stats.multivariate_normal
        by_scipy = [
            law(mu[o].numpy(), Sigma[o][:, o].numpy()).logpdf(row[o].numpy()) for row in x for o in [~row.isnan()]
        ]
        assert step.log_prob.item() == pytest.approx(np.mean(by_scipy), abs=1e-10)
        mu, Sigma = one_step(x, mu, Sigma)
        torch.testing.assert_close(step.mu, mu, **EXACT)
        torch.testing.assert_close(step.Sigma, Sigma, **EXACT)
    assert x.isnan().any(0).tolist() == [False, True, True] and x.isnan()[:, 1:].all(1).any()  # all four patterns are there


@pytest.mark.equation("eq-mixtures-missing")
def test_missing_values_end_at_a_largest_likelihood(generator):
    """The likelihood of what was observed never falls, and its gradient, by autograd, ends at zero."""
    _, x = with_holes(60, generator)
    *steps, last = em_missing(x, 600)
    assert (torch.stack([s.log_prob for s in steps]).diff() > -1e-12).all() and steps[0].log_prob < steps[-1].log_prob - 0.1
    mu, L = last.mu.clone().requires_grad_(), torch.linalg.cholesky(last.Sigma).requires_grad_()
    for gradient in torch.autograd.grad(observed(x, mu, L @ L.mT), (mu, L)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-9)


def test_missing_at_random_is_not_missing_by_chance(generator):
    """The true mean of the third entry is 1/2, its variance 1.22: the observed entries alone say otherwise."""
    x, holes = with_holes(3000, generator)
    *_, last = em_missing(holes, 60)
    assert holes[:, 2].nanmean() < 0.3 and abs(last.mu[2] - 0.5) < 0.1 and abs(last.Sigma[2, 2] - 1.22) < 0.15
    torch.testing.assert_close(last.mu, x.mean(0), rtol=0, atol=0.1)


def test_nothing_missing_takes_one_step(generator):
    x = torch.randn(9, 3, generator=generator, dtype=F64)
    first = next(em_missing(x, 5))
    for ours, expected in zip(first[:2], (fit_gaussian(x).mu, fit_gaussian(x).Sigma), strict=True):
        torch.testing.assert_close(ours, expected, **EXACT)


def test_the_data_stay_as_they_are(generator):
    _, x = with_holes(20, generator)
    before = x.clone()
    list(em_missing(x, 3))
    assert torch.equal(x.nan_to_num(7), before.nan_to_num(7))


G = Gaussian(torch.zeros(2), torch.eye(2))
CASES = {
    "x must have shape (N, D), got (3,)": lambda: fit_gaussian(torch.zeros(3)),
    "x spans 0 of its 2 dimensions": lambda: fit_gaussian(torch.ones(5, 2)),
    "x spans 1 of its 2 dimensions": lambda: fit_gaussian(torch.eye(2)),
    "x holds 1 NaN": lambda: fit_gaussian(torch.tensor([[0.0], [NAN], [1.0]])),
    "keep must name different entries from 0 to 1, at least one, got []": lambda: marginal(G, []),
    "keep must name different entries from 0 to 1, at least one, got [0, 0]": lambda: marginal(G, [0, 0]),
    "keep must name different entries from 0 to 1, at least one, got [-1]": lambda: marginal(G, [-1]),
    "known must name different entries from 0 to 1, at least one, got [2]": lambda: condition(G, [2], torch.zeros(1)),
    "known must leave at least one entry open": lambda: condition(G, [1, 0], torch.zeros(2)),
    "values must have shape (..., 1), got (2,)": lambda: condition(G, [1], torch.zeros(2)),
    "values holds 1 NaN": lambda: condition(G, [1], torch.tensor([NAN])),
    "with a value in each row and in each column": lambda: list(em_missing(torch.tensor([[NAN, NAN], [0.0, 1.0]]), 3)),
    "with a value in each row and in each column ": lambda: list(em_missing(torch.tensor([[NAN, 2.0], [NAN, 1.0]]), 3)),
    "x must have shape (N, D), with": lambda: list(em_missing(torch.zeros(3), 3)),
    "steps must be a whole number of at least 1, got 0": lambda: list(em_missing(torch.eye(3), 0)),
    "x must be a floating-point tensor, got a tensor of dtype torch.int64": lambda: list(em_missing(torch.ones(3, 2).long(), 3)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
